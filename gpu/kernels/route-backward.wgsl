// Pull-back of route.wgsl: from the gradient g of the shares, given times the share, to that of the logits, the selection
// as it was.
//
//   d_e = g_e for those chosen, 0 else;  NORMALISED yes: (g_e - sum_chosen g share) / sum of the chosen's softmax
//   dlogits_e = factor * softmax_e * (d_e - sum_chosen d softmax)
//
// Several gradients (targets of a pack), `rows` rows each, share logits and choice.
// Bindings: 0 Params, 1 logits [rows, experts], 2 chosen [rows, count], 3 shares [rows, count],
// 4 g * share [targets, rows, count], 5 dlogits [targets, rows, experts]. One invocation a row of a target: workgroup 64.
struct Params { rows: u32, experts: u32, chunks: u32, count: u32, all: u32, factor: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> chosen: array<u32>;
@group(0) @binding(3) var<storage, read> shares: array<f32>;
@group(0) @binding(4) var<storage, read> g: array<f32>;
@group(0) @binding(5) var<storage, read_write> dlogits: array<f32>;

fn cell(row: u32, expert: u32) -> u32 {
  return (((row / 16u) * p.chunks + expert / 4u) * 16u + row % 16u) * 4u + expert % 4u;
}

// A share of 0 takes no part: its softmax is 0.
fn gradient(row: u32, at: u32) -> f32 {
  let share = shares[row * p.count + at % p.count];
  return select(0.0, g[at] / max(share, 1e-37), share > 0.0);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x % p.rows;
  if (id.x >= p.all) { return; }
  var most = -3.4e38;
  for (var expert = 0u; expert < p.experts; expert++) { most = max(most, logits[cell(row, expert)]); }
  var total = 0.0;
  for (var expert = 0u; expert < p.experts; expert++) { total += exp(logits[cell(row, expert)] - most); }
  var mean = 0.0;
  var kept = 1.0;
  #if NORMALISED == yes
  kept = 0.0;
  for (var rank = 0u; rank < p.count; rank++) {
    mean += g[id.x * p.count + rank];
    kept += exp(logits[cell(row, chosen[row * p.count + rank])] - most) / total;
  }
  #end
  var inner = 0.0;
  for (var rank = 0u; rank < p.count; rank++) {
    let softmax = exp(logits[cell(row, chosen[row * p.count + rank])] - most) / total;
    inner += (gradient(row, id.x * p.count + rank) - mean) / kept * softmax;
  }
  for (var expert = 0u; expert < p.experts; expert++) {
    let softmax = exp(logits[cell(row, expert)] - most) / total;
    dlogits[cell(id.x, expert)] = -p.factor * softmax * inner;
  }
  for (var rank = 0u; rank < p.count; rank++) {
    let expert = chosen[row * p.count + rank];
    let softmax = exp(logits[cell(row, expert)] - most) / total;
    dlogits[cell(id.x, expert)] += p.factor * softmax * (gradient(row, id.x * p.count + rank) - mean) / kept;
  }
}
