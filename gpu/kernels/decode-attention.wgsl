// Attention of one new row of each sequence to the keys and values in its cache, in runs of SPLIT positions:
//
//   out[i, head] = sum_j softmax_j(scale * <q_i, k_j>) v_j   over the sequence's positions end - window <= j < end
//
// With CAP, a score s becomes cap tanh(s / cap). A sequence's first `shared` positions lie in cache rows from shared_start
// on, which other sequences may share, the others in rows of its own: position j in row own_base + j.
// Runs begin at multiples of SPLIT, so what a run gives does not depend on what else is decoded: its largest score, the
// sum of exp(score - largest) and the sum of values weighted by them, which decode-merge.wgsl adds up in order.
// Bindings: 0 Params, 1 places [rows, (end, shared, shared_start, own_base)], 2 rotated [rows, q | k],
// 3 cache [slots, k | v], 4 sums [rows, heads, runs, CHUNKS], 5 stats [rows, heads, runs, (largest, total)], with BIAS
// 6 bias [slots]: added to all scores toward a cache row.
// One workgroup of LANES a row (x), HEADS query heads that share a key head (y) and run (z). Lanes own keys, then columns
// of the head. SHARE subgroup, for software adapters: queries come by broadcast, where there are as many columns of 4 as
// lanes; SHARE workgroup: through memory. Loops are unrolled where broadcasts need it only: compiling takes long.
#if SHARE == subgroup
enable subgroups;
#end
struct Params {
  chunks_query: u32, chunks_key: u32, group: u32, heads: u32, runs: u32, window: u32, scale: f32, cap: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> places: array<vec4u>;
@group(0) @binding(2) var<storage, read> rotated: array<vec4f>;
@group(0) @binding(3) var<storage, read> cache: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> sums: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> stats: array<vec2f>;
#if BIAS == yes
@group(0) @binding(6) var<storage, read> bias: array<f32>;
#end

const LANES = $(LANES)u;
const CHUNKS = $(CHUNKS)u;
const SPLIT = $(SPLIT)u;
var<workgroup> query: array<vec4f, $(HEADS * QUERY_CELLS)>;
var<workgroup> score: array<f32, $(HEADS * SPLIT)>;
var<workgroup> partial: array<f32, $(HEADS * LANES)>;
#if PARTS != 1
var<workgroup> parts: array<vec4f, LANES>;
#end

fn cell(row: u32, chunks: u32, chunk: u32) -> u32 { return ((row / 16u) * chunks + chunk) * 16u + row % 16u; }

/// The cache row of a position. own_base may be negative: unsigned arithmetic wraps.
fn slot(place: vec4u, position: u32) -> u32 {
  return position + select(place.w, place.z, position < place.y);
}

@compute @workgroup_size($LANES)
fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let place = places[id.x];
  let head = id.y * $(HEADS)u;
  let seen = select(0u, place.x - p.window, place.x > p.window);
  let start = (seen / SPLIT + id.z) * SPLIT;
  let low = max(seen, start);
  let end = min(place.x, start + SPLIT);
  let count = select(0u, end - low, end > low);
  let key_chunk = (head / p.group) * CHUNKS;
  let cache_chunks = 2u * p.chunks_key;
  for (var i = lane; i < $(HEADS * QUERY_CELLS)u; i += LANES) {
    let chunk = min(i % $(QUERY_CELLS)u, CHUNKS - 1u);
    let at = cell(id.x, p.chunks_query + p.chunks_key, (head + i / $(QUERY_CELLS)u) * CHUNKS + chunk);
    query[i] = p.scale * rotated[at];
  }
  workgroupBarrier();

  // Lanes own keys.
  #for H 0 HEADS
  var most_$H = -3.0e38;
  #end
  for (var first = 0u; first < count; first += LANES) {
    let j = first + lane;
    let at = slot(place, low + min(j, count - 1u));
    let k_at = cell(at, cache_chunks, key_chunk);
    #for H 0 HEADS
    var s_$H = 0.0;
    #end
    #if SHARE == subgroup
    for (var part = 0u; part < CHUNKS; part += LANES) {
      #for H 0 HEADS
      let q_$H = query[$(H * QUERY_CELLS)u + part + lane];
      #end
      #for C 0 LANES
      if (part + $(C)u < CHUNKS) {
        let k = cache[k_at + (part + $(C)u) * 16u];
        #for H 0 HEADS
        {
          let x = subgroupBroadcast(q_$H, $(C)u);
          s_$H = s_$H + x.x * k.x + x.y * k.y + x.z * k.z + x.w * k.w;
        }
        #end
      }
      #end
    }
    #else
    for (var chunk = 0u; chunk < CHUNKS; chunk++) {
      let k = cache[k_at + chunk * 16u];
      #for H 0 HEADS
      s_$H += dot(query[$(H * QUERY_CELLS)u + chunk], k);
      #end
    }
    #end
    #if BIAS == yes
    let added = bias[at];
    #end
    #for H 0 HEADS
    #if CAP == yes
    s_$H = p.cap * tanh(clamp(s_$H / p.cap, -10.0, 10.0));
    #end
    #if BIAS == yes
    s_$H += added;
    #end
    if (j < count) {
      score[$(H * SPLIT)u + j] = s_$H;
      most_$H = max(most_$H, s_$H);
    }
    #end
  }
  #for H 0 HEADS
  partial[$(H * LANES)u + lane] = most_$H;
  #end
  workgroupBarrier();
  #for H 0 HEADS
  for (var i = 0u; i < LANES; i++) { most_$H = max(most_$H, partial[$(H * LANES)u + i]); }
  var total_$H = 0.0;
  #end
  workgroupBarrier();
  // As many as lanes at a time: what is beyond the last counts nothing.
  for (var first = 0u; first < count; first += LANES) {
    let j = first + lane;
    #for H 0 HEADS
    let e_$H = select(0.0, exp(score[$(H * SPLIT)u + j] - most_$H), j < count);
    score[$(H * SPLIT)u + j] = e_$H;
    total_$H += e_$H;
    #end
  }
  #for H 0 HEADS
  partial[$(H * LANES)u + lane] = total_$H;
  #end
  workgroupBarrier();
  #for H 0 HEADS
  total_$H = 0.0;
  for (var i = 0u; i < LANES; i++) { total_$H += partial[$(H * LANES)u + i]; }
  #end

  // Lanes own columns, and where there are fewer of them, a part of the keys.
  let part = lane / $(LANES / PARTS)u;
  let own = lane % $(LANES / PARTS)u;
  #for V 0 VECTORS
  let chunk_$V = $(V * LANES)u + own;
  let v_at_$V = (p.chunks_key + key_chunk + min(chunk_$V, CHUNKS - 1u)) * 16u;
  #for H 0 HEADS
  var sum_$(H)_$V = vec4f(0);
  #end
  #end
  if (part < $(PARTS)u) {
    for (var j = part; j < count; j += $(PARTS)u) {
      let at = cell(slot(place, low + j), cache_chunks, 0u);
      #for V 0 VECTORS
      let v_$V = cache[at + v_at_$V];
      #end
      #for H 0 HEADS
      {
        let x = score[$(H * SPLIT)u + j];
        #for V 0 VECTORS
        sum_$(H)_$V = sum_$(H)_$V + x * v_$V;
        #end
      }
      #end
    }
  }
  #for H 0 HEADS
  #if PARTS != 1
  parts[lane] = sum_$(H)_0;
  workgroupBarrier();
  if (part == 0u) {
    for (var i = 1u; i < $(PARTS)u; i++) { sum_$(H)_0 += parts[i * $(LANES / PARTS)u + own]; }
  }
  workgroupBarrier();
  #end
  #for V 0 VECTORS
  if (part == 0u && chunk_$V < CHUNKS) {
    sums[((id.x * p.heads + head + $(H)u) * p.runs + id.z) * CHUNKS + chunk_$V] = sum_$(H)_$V;
  }
  #end
  if (lane == 0u) { stats[(id.x * p.heads + head + $(H)u) * p.runs + id.z] = vec2f(most_$H, total_$H); }
  #end
}
