// The mass rule over the edges of one transition, tile by tile (docs/method.md section 3). Bins are the upper 15 bits of
// |A|, which order as |A| does (gpu/explanation/prune.ts).
//
//   PASS histogram:  counts |A| by bin, and sums the lower 16 bits of each bin's values in 64 bits: bins' sums are exact
//   PASS emit:       appends the edges above the bin `bin` that lead on to a reached target and exceed `floor`, and all
//                    edges of the bin itself, whose exact border the host finds; counts the former before the floor,
//                    and marks their sources
//
// Zeros are in no bin. Flags of a target token: 0 no edges wanted, 1 wanted, 3 wanted and reached.
// Bindings: 0 Params, 1 A [block rows, keys], 2 flags [tokens],
// histogram: 3 [bins, (count, low, high)]
// emit: 3 [emitted, reaching, marks of source tokens ...], 4 out [emitted, (target, source, A)].
// One invocation a vec4 of A; workgroup 64, folded over x and y.
struct Params { chunks: u32, cells: u32, width: u32, first_query: u32, first_key: u32, bin: u32, floor: u32, capacity: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> edges: array<vec4u>;
@group(0) @binding(2) var<storage, read> flags: array<u32>;
@group(0) @binding(3) var<storage, read_write> counters: array<atomic<u32>>;
#if PASS == emit
@group(0) @binding(4) var<storage, read_write> out: array<u32>;
#end

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let index = id.y * p.width + id.x;
  let cell = index / 16u;
  if (cell >= p.cells) { return; }
  let row = (cell / p.chunks) * 16u + index % 16u;
  let key = (cell % p.chunks) * 4u;
  let flag = flags[p.first_query + row];
  if (flag == 0u) { return; }
  let words = edges[index];
  for (var i = 0u; i < 4u; i++) {
    let bits = words[i] & 0x7fffffffu;
    if (bits == 0u) { continue; }
    let bin = bits >> 16u;
    #if PASS == histogram
    atomicAdd(&counters[bin * 3u], 1u);
    let low = bits & 0xffffu;
    let before = atomicAdd(&counters[bin * 3u + 1u], low);
    if (before > 0xffffffffu - low) { atomicAdd(&counters[bin * 3u + 2u], 1u); }
    #end
    #if PASS == emit
    var wanted = bin == p.bin;
    if (bin > p.bin && flag == 3u) {
      atomicAdd(&counters[1], 1u);
      atomicStore(&counters[2u + p.first_key + key + i], 1u);
      wanted = bits > p.floor;
    }
    if (wanted) {
      let slot = atomicAdd(&counters[0], 1u);
      if (slot < p.capacity) {
        out[slot * 3u] = p.first_query + row;
        out[slot * 3u + 1u] = p.first_key + key + i;
        out[slot * 3u + 2u] = words[i];
      }
    }
    #end
  }
}
