// Elements of storage type TYPE (f32, bf16 or f16): a load gives four neighbouring elements of LOAD_ROWS neighbouring
// rows, each four as f32 through unpack4.
#if TYPE == f32
alias Packed = vec4f;
const LOAD_ROWS = 1u;
#else
alias Packed = vec4u;
const LOAD_ROWS = 2u;
#end
#if TYPE == bf16
fn unpack4(w: vec2u) -> vec4f {
  return bitcast<vec4f>(vec4u(w.x << 16u, w.x & 0xffff0000u, w.y << 16u, w.y & 0xffff0000u));
}
#end
#if TYPE == f16
fn unpack4(w: vec2u) -> vec4f { return vec4f(unpack2x16float(w.x), unpack2x16float(w.y)); }
#end
