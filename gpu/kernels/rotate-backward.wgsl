// Backward of rotate.wgsl with r as a constant: the rotation undone, then dx = factor * r * w * dy.
// NORM as in rotate.wgsl. dout and dx may hold several gradients (targets of a pack), `panels` panels each, that share r
// and angles.
// Bindings: 0 Params, 1 dout [targets, rows, q heads | k heads], 2 angles,
// 3 dx [targets, rows, q heads | k heads | v heads] (columns of q and k written), and with a norm
// 4 w [q weight | k weight], 5 r [slices, state_rows].
// One invocation a row and head: workgroup 16 rows x 4 heads.
struct Params {
  chunks_in: u32, chunks_out: u32,
  query_heads: u32, heads: u32,
  chunks_head: u32,
  state_rows: u32, // of which the gradients may cover the first
  panels: u32,
  factor: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dout: array<vec4f>;
@group(0) @binding(2) var<storage, read> angles: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> dx: array<vec4f>;
#if NORM != none
@group(0) @binding(4) var<storage, read> w: array<vec4f>;
@group(0) @binding(5) var<storage, read> r: array<f32>;
#end

@compute @workgroup_size(16, 4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) id: vec3u) {
  let head = group.y * 4u + id.y;
  if (head >= p.heads) { return; }
  let row = (group.x % p.panels) * 16u + id.x;
  let dx_at = (group.x * p.chunks_in + head * p.chunks_head) * 16u + id.x;
  let dout_at = (group.x * p.chunks_out + head * p.chunks_head) * 16u + id.x;
  #if NORM == head
  let weight = select(p.chunks_head, 0u, head < p.query_heads);
  let scale = p.factor * r[head * p.state_rows + row];
  #end
  #if NORM == projection
  let weight = head * p.chunks_head;
  let scale = p.factor * r[select(p.state_rows, 0u, head < p.query_heads) + row];
  #end
  let half_chunks = p.chunks_head / 2u;
  for (var chunk = 0u; chunk < half_chunks; chunk++) {
    let upper = half_chunks + chunk;
    let angle = (row * half_chunks + chunk) * 2u;
    let low = dout[dout_at + chunk * 16u];
    let high = dout[dout_at + upper * 16u];
    #if NORM == none
    dx[dx_at + chunk * 16u] = p.factor * (low * angles[angle] + high * angles[angle + 1u]);
    dx[dx_at + upper * 16u] = p.factor * (high * angles[angle] - low * angles[angle + 1u]);
    #else
    dx[dx_at + chunk * 16u] = scale * w[weight + chunk] * (low * angles[angle] + high * angles[angle + 1u]);
    dx[dx_at + upper * 16u] = scale * w[weight + upper] * (high * angles[angle] - low * angles[angle + 1u]);
    #end
  }
}
