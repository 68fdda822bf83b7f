// Matrix product over panels (gpu/kernels/panels.ts), for `batch` matrices at once; for software adapters (hardware:
// matmul-tile.wgsl):
//
//   MODE nt:  C[m, n] (+)= scale * sum_k A[m, k] * B[n, k]
//   MODE nn:  C[m, n] (+)= scale * sum_k A[m, k] * B[k, n]
//
// The sum runs over k in ascending order whatever the tile, so a row's result does not depend on what it is packed with.
//
// Bindings: 0 Params, 1 A (f32), 2 B (TYPE), 3 C (f32).
// The batch counts `inner` matrices (heads) in each of several outer ones (targets of a pack). A panel of a matrix starts
// at cell `base + outer * outer_step + inner * step + panel * stride`; a cell is 16 rows x 4 columns.
// B's inner index is divided by `group` (query heads that share a key/value head).
//
// A workgroup is one subgroup of LANES and makes ROWS rows x (4 * LANES) columns; a lane holds ROWS x 4 sums.
// Each lane loads its own B and a share of A, which the others get by subgroupBroadcast. Such an adapter gathers what its
// lanes load 32 bits by 32 bits, each with a check of bounds: so loads are few and wide, and two rows of 16-bit elements
// come with one. Weights in blocks are expanded once for all ROWS rows. Sums do not fit the processor's registers: STEP
// chunks of k are worked on at once, so that a sum is fetched and put back once for all of them.
enable subgroups;
#if BLOCKS == yes
#include blocks
#else
#include pairs
#end

struct Params {
  chunks_n: u32, // chunks of 4 columns of C
  chunks_k: u32, // chunks of 4 along k
  accumulate: u32,
  scale: f32,
  a_base: u32, a_step: u32, a_stride: u32, a_outer: u32,
  b_base: u32, b_step: u32, b_stride: u32, b_outer: u32,
  c_base: u32, c_step: u32, c_stride: u32, c_outer: u32,
  inner: u32,
  group: u32,
  tiles_m: u32, // workgroups over the rows of A, of which `row_group` at a time take turns with the columns
  row_group: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<Packed>;
@group(0) @binding(3) var<storage, read_write> c: array<vec4f>;

@compute @workgroup_size($LANES)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
  // Workgroups that run together share their rows of A and their part of B, so that both stay in a cache.
  let row_groups = (p.tiles_m + p.row_group - 1u) / p.row_group;
  let row_tile = (tile.z % row_groups) * p.row_group + tile.x;
  if (row_tile >= p.tiles_m) { return; }
  let matrix = tile.z / row_groups;
  let outer = matrix / p.inner;
  let inner = matrix % p.inner;
  let first_row = row_tile * $(ROWS)u;
  let chunk = tile.y * $(LANES)u + lane;
  let column = min(chunk, p.chunks_n - 1u);
  let b_first = p.b_base + outer * p.b_outer + (inner / p.group) * p.b_step;
  #if BLOCKS == yes
  let strips = p.b_stride / $(BLOCK_CHUNKS)u;
  #if MODE == nt
  var strip = (column / 4u) * strips * $(STRIP_WORDS)u;
  var scales: Scales;
  #else
  // Lanes that share their groups of columns say so with an index that is the same for all: one load then does.
  #if SHARED == yes
  let shared_column = tile.y * $(LANES)u;
  #else
  let shared_column = column;
  #end
  let within = column % $(BLOCK_CHUNKS)u;
  let group = (shared_column % $(BLOCK_CHUNKS)u) / $(GROUP_CHUNKS)u;
  #end
  #else
  #if MODE == nt
  var b_at = ((b_first + (column / 4u) * p.b_stride) * 16u + (column % 4u) * 4u) / LOAD_ROWS;
  #end
  #if MODE == nn
  var b_at = (b_first + column) * 16u / LOAD_ROWS;
  #end
  #end
  let a_first = p.a_base + outer * p.a_outer + inner * p.a_step;
  #for S 0 SLOTS
  let row_$S = first_row + min($(S * LANES)u + lane, $(ROWS - 1)u);
  var a_at_$S = (a_first + (row_$S / 16u) * p.a_stride) * 16u + row_$S % 16u;
  #end
  #for R 0 ROWS
  var sum_$R = vec4f(0);
  #end

  for (var turn = 0u; turn < p.chunks_k; turn += $(STEP)u) {
    #for K 0 STEP
    let k_$K = turn + $(K)u;
    #if BLOCKS == yes
    #if MODE == nt
    let within_$K = k_$K % $(BLOCK_CHUNKS)u;
    if (within_$K % $(GROUP_CHUNKS)u == 0u) { scales = scales4(strip, column % 4u, within_$K / $(GROUP_CHUNKS)u); }
    let codes_$K = codes4(strip, column % 4u, within_$K);
    #for I 0 4
    let v_$(K)_$I = scales.scale * column_codes(codes_$K, $(I)u) + scales.addend;
    #end
    if (within_$K == $(BLOCK_CHUNKS - 1)u) { strip += $(STRIP_WORDS)u; }
    #else
    let panel_$K = (k_$K / 4u) * strips;
    let scales_$K = scales4((panel_$K + shared_column / $(BLOCK_CHUNKS)u) * $(STRIP_WORDS)u, k_$K % 4u, group);
    let codes_$K = codes4((panel_$K + column / $(BLOCK_CHUNKS)u) * $(STRIP_WORDS)u, k_$K % 4u, within);
    #for I 0 4
    let v_$(K)_$I = scales_$(K).scale[$I] * row_codes(codes_$K, $(I)u) + vec4f(scales_$(K).addend[$I]);
    #end
    #end
    #else
    #if TYPE == f32
    #for I 0 4
    let b_$(K)_$I = b[b_at + $(I)u];
    #end
    #else
    #for I 0 2
    let pair_$(K)_$I = b[b_at + $(I)u];
    let b_$(K)_$(2 * I) = unpack4(pair_$(K)_$(I).xy);
    let b_$(K)_$(2 * I + 1) = unpack4(pair_$(K)_$(I).zw);
    #end
    #end
    #if MODE == nt
    // Columns of the 4 x 4 block, so that sums stay vectors over C's columns.
    let v_$(K)_0 = vec4f(b_$(K)_0.x, b_$(K)_1.x, b_$(K)_2.x, b_$(K)_3.x);
    let v_$(K)_1 = vec4f(b_$(K)_0.y, b_$(K)_1.y, b_$(K)_2.y, b_$(K)_3.y);
    let v_$(K)_2 = vec4f(b_$(K)_0.z, b_$(K)_1.z, b_$(K)_2.z, b_$(K)_3.z);
    let v_$(K)_3 = vec4f(b_$(K)_0.w, b_$(K)_1.w, b_$(K)_2.w, b_$(K)_3.w);
    b_at += 16u / LOAD_ROWS;
    #else
    #for I 0 4
    let v_$(K)_$I = b_$(K)_$I;
    #end
    b_at += select(4u, p.b_stride * 16u - 12u, k_$K % 4u == 3u) / LOAD_ROWS;
    #end
    #end
    #end
    #for S 0 SLOTS
    #for K 0 STEP
    let a_$(K)_$S = a[a_at_$S];
    a_at_$S += 16u;
    #end
    #for R S*LANES min(ROWS,(S+1)*LANES)
    #for K 0 STEP
    {
      let x = subgroupBroadcast(a_$(K)_$S, $(R % LANES)u);
      #if FUSED == yes
      sum_$R = fma(vec4f(x.w), v_$(K)_3, fma(vec4f(x.z), v_$(K)_2, fma(vec4f(x.y), v_$(K)_1, fma(vec4f(x.x), v_$(K)_0, sum_$R))));
      #else
      sum_$R = sum_$R + x.x * v_$(K)_0 + x.y * v_$(K)_1 + x.z * v_$(K)_2 + x.w * v_$(K)_3;
      #end
    }
    #end
    #end
    #end
  }

  if (chunk < p.chunks_n) {
    let c_first = p.c_base + outer * p.c_outer + inner * p.c_step + chunk;
    if (p.accumulate != 0u) {
      #for R 0 ROWS
      {
        let row = first_row + $(R)u;
        c[(c_first + (row / 16u) * p.c_stride) * 16u + row % 16u] += p.scale * sum_$R;
      }
      #end
    } else {
      #for R 0 ROWS
      {
        let row = first_row + $(R)u;
        c[(c_first + (row / 16u) * p.c_stride) * 16u + row % 16u] = p.scale * sum_$R;
      }
      #end
    }
  }
}
