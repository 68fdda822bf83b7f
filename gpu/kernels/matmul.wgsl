// Matrix product over panels (gpu/panels.ts), for `batch` matrices at once:
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
// A workgroup makes ROWS rows (8 or 16) x (4 * COLS * LANES) columns; a lane holds ROWS x 4 * COLS sums. Each lane loads its
// own B and a share of A, which the others get by subgroupBroadcast (SHARE subgroup: LANES is the subgroup's size) or
// through workgroup memory (SHARE workgroup: LANES is the workgroup's size, ROWS 16).
#if SHARE == subgroup
enable subgroups;
#end
#include element

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

#if SHARE == workgroup
const DEPTH = 16u; // chunks of k staged at a time
var<workgroup> staged: array<vec4f, $(16 * 16)>;
#end

@compute @workgroup_size($LANES)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
  // Workgroups that run together share their rows of A and their part of B, so that both stay in a cache.
  let row_groups = (p.tiles_m + p.row_group - 1u) / p.row_group;
  let row_tile = (tile.z % row_groups) * p.row_group + tile.x;
  if (row_tile >= p.tiles_m) { return; }
  let matrix = tile.z / row_groups;
  let outer = matrix / p.inner;
  let inner = matrix % p.inner;
  let part = row_tile % $(16 / ROWS)u;
  let a_panel = (p.a_base + outer * p.a_outer + inner * p.a_step + (row_tile / $(16 / ROWS)u) * p.a_stride) * 16u + part * $(ROWS)u;
  let b_batch = p.b_base + outer * p.b_outer + (inner / p.group) * p.b_step;
  #for J 0 COLS
  let chunk_$J = tile.y * $(LANES * COLS)u + $(J * LANES)u + lane;
  let column_$J = min(chunk_$J, p.chunks_n - 1u);
  #if MODE == nt
  var b_at_$J = (b_batch + (column_$J / 4u) * p.b_stride) * 16u + (column_$J % 4u) * 4u;
  #end
  #if MODE == nn
  var b_at_$J = (b_batch + column_$J) * 16u;
  #end
  #for R 0 ROWS
  var sum_$(R)_$J = vec4f(0);
  #end
  #end

  #if SHARE == workgroup
  for (var k0 = 0u; k0 < p.chunks_k; k0 += DEPTH) {
    let depth = min(DEPTH, p.chunks_k - k0);
    workgroupBarrier();
    for (var i = lane; i < depth * 16u; i += $(LANES)u) { staged[i] = a[a_panel + k0 * 16u + i]; }
    workgroupBarrier();
    for (var k = k0; k < k0 + depth; k++) {
  #else
  var a_at = a_panel + lane % 16u;
  for (var k = 0u; k < p.chunks_k; k++) {
    #for S 0 SLOTS
    let a_$S = a[a_at + $(S * LANES)u];
    #end
  #end
    #for J 0 COLS
    #for I 0 4
    #if MODE == nt
    let row_$(I)_$J = unpack4(b[b_at_$J + $(I)u]);
    #end
    #if MODE == nn
    let v_$(I)_$J = unpack4(b[b_at_$J + $(I)u]);
    #end
    #end
    #if MODE == nt
    // Columns of the 4 x 4 block, so that sums stay vectors over C's columns.
    let v_0_$J = vec4f(row_0_$(J).x, row_1_$(J).x, row_2_$(J).x, row_3_$(J).x);
    let v_1_$J = vec4f(row_0_$(J).y, row_1_$(J).y, row_2_$(J).y, row_3_$(J).y);
    let v_2_$J = vec4f(row_0_$(J).z, row_1_$(J).z, row_2_$(J).z, row_3_$(J).z);
    let v_3_$J = vec4f(row_0_$(J).w, row_1_$(J).w, row_2_$(J).w, row_3_$(J).w);
    #end
    #end
    #if SHARE == subgroup
    a_at += 16u;
    #end
    #for J 0 COLS
    #if MODE == nt
    b_at_$J += 16u;
    #else
    b_at_$J += select(4u, p.b_stride * 16u - 12u, k % 4u == 3u);
    #end
    #end
    #for R 0 ROWS
    {
      #if SHARE == workgroup
      let x = staged[(k - k0) * 16u + $(R)u];
      #else
      let x = subgroupBroadcast(a_$(R / LANES), $(R % LANES)u);
      #end
      #for J 0 COLS
      sum_$(R)_$J = sum_$(R)_$J + x.x * v_0_$J + x.y * v_1_$J + x.z * v_2_$J + x.w * v_3_$J;
      #end
    }
    #end
  }
  #if SHARE == workgroup
  }
  #end

  #for J 0 COLS
  if (chunk_$J < p.chunks_n) {
    let at = (p.c_base + outer * p.c_outer + inner * p.c_step + (row_tile / $(16 / ROWS)u) * p.c_stride + chunk_$J) * 16u + part * $(ROWS)u;
    if (p.accumulate != 0u) {
      #for R 0 ROWS
      c[at + $(R)u] += p.scale * sum_$(R)_$J;
      #end
    } else {
      #for R 0 ROWS
      c[at + $(R)u] = p.scale * sum_$(R)_$J;
      #end
    }
  }
  #end
}
