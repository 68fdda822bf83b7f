// Four neighbouring elements of a row as f32, from storage type TYPE (f32, bf16 or f16).
#if TYPE == f32
alias Packed = vec4f;
fn unpack4(w: Packed) -> vec4f { return w; }
#end
#if TYPE == bf16
alias Packed = vec2u;
fn unpack4(w: Packed) -> vec4f {
  return bitcast<vec4f>(vec4u(w.x << 16u, w.x & 0xffff0000u, w.y << 16u, w.y & 0xffff0000u));
}
#end
#if TYPE == f16
alias Packed = vec2u;
fn unpack4(w: Packed) -> vec4f { return vec4f(unpack2x16float(w.x), unpack2x16float(w.y)); }
#end
