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
// Each lane loads its own B and a share of A, which the others get by subgroupBroadcast. Such an adapter runs each lane's
// load as scalar code, a check of bounds for each 32 bits included: so loads are few and wide, and two rows of 16-bit
// elements come with one. Weights in blocks are expanded once for all ROWS rows.
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

  for (var k = 0u; k < p.chunks_k; k++) {
    #for S 0 SLOTS
    let a_$S = a[a_at_$S];
    a_at_$S += 16u;
    #end
    #if BLOCKS == yes
    #if MODE == nt
    let within = k % $(BLOCK_CHUNKS)u;
    if (within % $(GROUP_CHUNKS)u == 0u) { scales = scales4(strip, column % 4u, within / $(GROUP_CHUNKS)u); }
    let codes = codes4(strip, column % 4u, within);
    #for I 0 4
    let v_$I = scales.scale * column_codes(codes, $(I)u) + scales.addend;
    #end
    if (within == $(BLOCK_CHUNKS - 1)u) { strip += $(STRIP_WORDS)u; }
    #else
    let panel = (k / 4u) * strips;
    let scales = scales4((panel + shared_column / $(BLOCK_CHUNKS)u) * $(STRIP_WORDS)u, k % 4u, group);
    let codes = codes4((panel + column / $(BLOCK_CHUNKS)u) * $(STRIP_WORDS)u, k % 4u, within);
    #for I 0 4
    let v_$I = scales.scale[$I] * row_codes(codes, $(I)u) + vec4f(scales.addend[$I]);
    #end
    #end
    #else
    #if TYPE == f32
    #for I 0 4
    let b_$I = b[b_at + $(I)u];
    #end
    #else
    #for I 0 2
    let pair_$I = b[b_at + $(I)u];
    let b_$(2 * I) = unpack4(pair_$(I).xy);
    let b_$(2 * I + 1) = unpack4(pair_$(I).zw);
    #end
    #end
    #if MODE == nt
    // Columns of the 4 x 4 block, so that sums stay vectors over C's columns.
    let v_0 = vec4f(b_0.x, b_1.x, b_2.x, b_3.x);
    let v_1 = vec4f(b_0.y, b_1.y, b_2.y, b_3.y);
    let v_2 = vec4f(b_0.z, b_1.z, b_2.z, b_3.z);
    let v_3 = vec4f(b_0.w, b_1.w, b_2.w, b_3.w);
    b_at += 16u / LOAD_ROWS;
    #else
    let v_0 = b_0;
    let v_1 = b_1;
    let v_2 = b_2;
    let v_3 = b_3;
    b_at += select(4u, p.b_stride * 16u - 12u, k % 4u == 3u) / LOAD_ROWS;
    #end
    #end
    #for R 0 ROWS
    {
      let x = subgroupBroadcast(a_$(R / LANES), $(R % LANES)u);
      #if FUSED == yes
      sum_$R = fma(vec4f(x.w), v_3, fma(vec4f(x.z), v_2, fma(vec4f(x.y), v_1, fma(vec4f(x.x), v_0, sum_$R))));
      #else
      sum_$R = sum_$R + x.x * v_0 + x.y * v_1 + x.z * v_2 + x.w * v_3;
      #end
    }
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
