// Adds up what runs of positions gave (decode-attention.wgsl), in the order of positions:
//
//   out = sum_r w_r sums_r / sum_r w_r total_r,  w_r = exp(largest_r - largest of all)
//
// Bindings: 0 Params, 1 sums [rows, heads, runs, chunks], 2 stats [rows, heads, runs, (largest, total)], 3 out [rows, q].
// One invocation a row (y) and chunk of 4 columns of q (x). A run without positions has the total 0.
struct Params { chunks_query: u32, chunks_head: u32, runs: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> sums: array<vec4f>;
@group(0) @binding(2) var<storage, read> stats: array<vec2f>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(16)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= p.chunks_query) { return; }
  let first = (id.y * (p.chunks_query / p.chunks_head) + id.x / p.chunks_head) * p.runs;
  let chunk = id.x % p.chunks_head;
  var most = -3.0e38;
  for (var run = 0u; run < p.runs; run++) { most = max(most, stats[first + run].x); }
  var sum = vec4f(0);
  var total = 0.0;
  for (var run = 0u; run < p.runs; run++) {
    let stat = stats[first + run];
    if (stat.y > 0.0) {
      let weight = select(exp(stat.x - most), 1.0, stat.x == most);
      sum += weight * sums[(first + run) * p.chunks_head + chunk];
      total += weight * stat.y;
    }
  }
  out[((id.y / 16u) * p.chunks_query + id.x) * 16u + id.y % 16u] = sum / total;
}
