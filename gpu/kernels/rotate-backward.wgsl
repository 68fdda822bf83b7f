// Backward of rotate.wgsl: the rotation undone, then the norm over each head pulled back, times `factor`.
//
//   MODE constant:  dx = factor * r * w * dy          MODE exact:  - factor * x * r^3 / D * sum(w * dy * x) besides
//
// dout and dx may hold several gradients (targets of a pack), `panels` panels each, that share x, r and angles.
// Bindings: 0 Params, 1 dout [targets, rows, q heads | k heads], 2 w [q weight | k weight], 3 angles, 4 r [heads, state_rows],
// 5 dx [targets, rows, q heads | k heads | v heads] (columns of q and k written), 6 x (exact only; dx of one target).
struct Params {
  chunks_in: u32, chunks_out: u32,
  query_heads: u32, heads: u32,
  chunks_head: u32,
  state_rows: u32, // rows of x, of which the gradients may cover the first
  panels: u32,
  factor: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dout: array<vec4f>;
@group(0) @binding(2) var<storage, read> w: array<vec4f>;
@group(0) @binding(3) var<storage, read> angles: array<vec4f>;
@group(0) @binding(4) var<storage, read> r: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<vec4f>;
#if MODE == exact
@group(0) @binding(6) var<storage, read> x: array<vec4f>;
#end

@compute @workgroup_size(16, 4)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) id: vec3u) {
  let head = group.y * 4u + id.y;
  if (head >= p.heads) { return; }
  let panel = group.x % p.panels;
  let row = panel * 16u + id.x;
  let to = (group.x * p.chunks_in + head * p.chunks_head) * 16u + id.x;
  let source = (group.x * p.chunks_out + head * p.chunks_head) * 16u + id.x;
  #if MODE == exact
  let x_from = (panel * p.chunks_in + head * p.chunks_head) * 16u + id.x;
  #end
  let weight = select(p.chunks_head, 0u, head < p.query_heads);
  let scale = r[head * p.state_rows + row];
  let half_chunks = p.chunks_head / 2u;
  var inner = 0.0;
  for (var chunk = 0u; chunk < half_chunks; chunk++) {
    let upper = half_chunks + chunk;
    let angle = (row * half_chunks + chunk) * 2u;
    let low = dout[source + chunk * 16u];
    let high = dout[source + upper * 16u];
    let dlow = w[weight + chunk] * (low * angles[angle] + high * angles[angle + 1u]);
    let dhigh = w[weight + upper] * (high * angles[angle] - low * angles[angle + 1u]);
    #if MODE == exact
    inner += dot(dlow, x[x_from + chunk * 16u]) + dot(dhigh, x[x_from + upper * 16u]);
    #end
    dx[to + chunk * 16u] = p.factor * scale * dlow;
    dx[to + upper * 16u] = p.factor * scale * dhigh;
  }
  #if MODE == exact
  let pull = p.factor * inner * scale * scale * scale / f32(p.chunks_head * 4u);
  for (var chunk = 0u; chunk < p.chunks_head; chunk++) { dx[to + chunk * 16u] -= pull * x[x_from + chunk * 16u]; }
  #end
}
