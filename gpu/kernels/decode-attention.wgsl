// Attention of one new row of each sequence to the keys and values in its cache.
//
//   out[i, head] = sum_j softmax_j(scale * <q_i, k_j>) v_j   over the sequence's positions end - window <= j < end
//
// With CAP, a score s becomes cap tanh(s / cap). A sequence's first `shared` positions lie in cache rows from shared_start on, which other sequences may share, the
// others in rows of its own: position j in row own_base + j.
// Bindings: 0 Params, 1 places [rows, (end, shared, shared_start, own_base)], 2 rotated [rows, q | k],
// 3 cache [slots, k | v], 4 probability [rows, heads, longest] (scratch), 5 out [rows, q], with BIAS 6 bias [slots]:
// added to all scores toward a cache row. One workgroup of LANES a row (x) and head (y).
struct Params {
  chunks_query: u32, chunks_key: u32, chunks_head: u32, group: u32, heads: u32, longest: u32, window: u32, scale: f32,
  cap: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> places: array<vec4u>;
@group(0) @binding(2) var<storage, read> rotated: array<vec4f>;
@group(0) @binding(3) var<storage, read> cache: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> probability: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<vec4f>;
#if BIAS == yes
@group(0) @binding(6) var<storage, read> bias: array<f32>;
#end

const LANES = $(LANES)u;
var<workgroup> query: array<vec4f, 64>;
var<workgroup> partial: array<f32, LANES>;
var<workgroup> sums: array<vec4f, LANES>;

fn cell(row: u32, chunks: u32, chunk: u32) -> u32 { return ((row / 16u) * chunks + chunk) * 16u + row % 16u; }

/// The cache row of a position. own_base may be negative: unsigned arithmetic wraps.
fn slot(place: vec4u, position: u32) -> u32 {
  return position + select(place.w, place.z, position < place.y);
}

@compute @workgroup_size($LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row = group.x;
  let head = group.y;
  let place = places[row];
  let low = select(0u, place.x - p.window, place.x > p.window);
  let count = place.x - low;
  let scratch = (row * p.heads + head) * p.longest;
  let key_chunk = (head / p.group) * p.chunks_head;
  let cache_chunks = 2u * p.chunks_key;
  for (var chunk = lane; chunk < p.chunks_head; chunk += LANES) {
    query[chunk] = p.scale * rotated[cell(row, p.chunks_query + p.chunks_key, head * p.chunks_head + chunk)];
  }
  workgroupBarrier();

  var most = -3.0e38;
  for (var j = lane; j < count; j += LANES) {
    let at = slot(place, low + j);
    var score = 0.0;
    for (var chunk = 0u; chunk < p.chunks_head; chunk++) {
      score += dot(query[chunk], cache[cell(at, cache_chunks, key_chunk + chunk)]);
    }
#if CAP == yes
    score = p.cap * tanh(clamp(score / p.cap, -10.0, 10.0));
#end
#if BIAS == yes
    score += bias[at];
#end
    probability[scratch + j] = score;
    most = max(most, score);
  }
  partial[lane] = most;
  workgroupBarrier();
  for (var i = 0u; i < LANES; i++) { most = max(most, partial[i]); }
  workgroupBarrier();
  var total = 0.0;
  for (var j = lane; j < count; j += LANES) {
    let e = exp(probability[scratch + j] - most);
    probability[scratch + j] = e;
    total += e;
  }
  partial[lane] = total;
  storageBarrier();
  workgroupBarrier();
  total = 0.0;
  for (var i = 0u; i < LANES; i++) { total += partial[i]; }

  // Lanes share the chunks of the head; where there are more lanes than chunks, each takes a part of the keys.
  let parts = max(1u, LANES / p.chunks_head);
  let part = lane / p.chunks_head;
  for (var first = 0u; first < p.chunks_head; first += LANES) {
    let chunk = first + lane % p.chunks_head;
    var sum = vec4f(0);
    if (part < parts && chunk < p.chunks_head) {
      for (var j = part; j < count; j += parts) {
        sum += probability[scratch + j] *
          cache[cell(slot(place, low + j), cache_chunks, p.chunks_key + key_chunk + chunk)];
      }
    }
    sums[lane] = sum;
    workgroupBarrier();
    if (part == 0u && chunk < p.chunks_head) {
      var all = vec4f(0);
      for (var i = 0u; i < parts; i++) { all += sums[i * p.chunks_head + lane]; }
      out[cell(row, p.chunks_query, head * p.chunks_head + chunk)] = all / total;
    }
    workgroupBarrier();
  }
}
