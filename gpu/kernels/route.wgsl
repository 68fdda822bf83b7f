// Which experts each row is sent to, and with which share: the largest of the row's logits, of equal ones the first.
//
//   share_e = softmax(logits)_e;  NORMALISED yes: divided by the sum of the shares of those chosen
//
// Bindings: 0 Params, 1 logits [rows, experts], 2 chosen u32 [rows, count], 3 shares f32 [rows, count].
// One invocation a row: workgroup 64.
struct Params { rows: u32, experts: u32, chunks: u32, count: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read_write> chosen: array<u32>;
@group(0) @binding(3) var<storage, read_write> shares: array<f32>;

fn logit(row: u32, expert: u32) -> f32 {
  return logits[(((row / 16u) * p.chunks + expert / 4u) * 16u + row % 16u) * 4u + expert % 4u];
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let row = id.x;
  if (row >= p.rows) { return; }
  var most = -3.4e38;
  for (var expert = 0u; expert < p.experts; expert++) { most = max(most, logit(row, expert)); }
  var total = 0.0;
  for (var expert = 0u; expert < p.experts; expert++) { total += exp(logit(row, expert) - most); }
  // Nothing is larger than this, nor at an earlier place.
  var last = 3.4e38;
  var last_place = 0u;
  var kept = 0.0;
  for (var rank = 0u; rank < p.count; rank++) {
    var best = -3.4e38;
    var place = 0u;
    for (var expert = 0u; expert < p.experts; expert++) {
      let value = logit(row, expert);
      let behind = value < last || (value == last && expert > last_place);
      if (behind && value > best) {
        best = value;
        place = expert;
      }
    }
    last = best;
    last_place = place;
    let share = exp(best - most) / total;
    kept += share;
    chosen[row * p.count + rank] = place;
    shares[row * p.count + rank] = share;
  }
  #if NORMALISED == yes
  for (var rank = 0u; rank < p.count; rank++) { shares[row * p.count + rank] /= kept; }
  #end
}
