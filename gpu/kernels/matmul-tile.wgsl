// Matrix product over panels (gpu/kernels/panels.ts), for `batch` matrices at once; for hardware adapters. What it computes, its
// params and its batch are those of matmul.wgsl, and so is the order of summation: over k, ascending, whatever the tile.
//
//   MODE nt:  C[m, n] (+)= scale * sum_k A[m, k] * B[n, k]
//   MODE nn:  C[m, n] (+)= scale * sum_k A[m, k] * B[k, n]
//
// Bindings: 0 Params, 1 A (f32), 2 B (TYPE), 3 C (f32).
//
// A workgroup of 16 x 16 invocations makes 16 * ROWS rows x 64 * COLS columns, in steps of 16 k; an invocation holds
// ROWS x 4 * COLS sums. A and B of a step lie in workgroup memory as f32; those of the next step are
// loaded into registers while it is worked on.
#if BLOCKS == yes
#include blocks
#else
#include element
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
  panels_m: u32, // panels of A
  panels_b: u32, // panels of B
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<Packed>;
@group(0) @binding(3) var<storage, read_write> c: array<vec4f>;

// [chunk of k][row], four k each.
var<workgroup> a_tile: array<vec4f, $(4 * 16 * ROWS)>;
#if MODE == nt
// [chunk of k][n], four k each; a gap after every fourth n keeps lanes that read every fourth in different banks.
const B_STRIDE = $(80 * COLS)u;
var<workgroup> b_tile: array<vec4f, $(4 * 80 * COLS)>;
#end
#if MODE == nn
// [k][chunk of n], four n each.
var<workgroup> b_tile: array<vec4f, $(16 * 16 * COLS)>;
#end

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) index: u32) {
  let outer = tile.z / p.inner;
  let inner = tile.z % p.inner;
  let a_first = p.a_base + outer * p.a_outer + inner * p.a_step;
  let b_first = p.b_base + outer * p.b_outer + (inner / p.group) * p.b_step;

  // What this invocation loads: LOADS_A and COLS times four neighbours of a row of A and of B.
  #for R 0 LOADS_A
  // Number R * 256 + index of [panel][chunk of k][row].
  let a_panel_$R = min(tile.x * $(ROWS)u + ($(R * 256)u + index) / 64u, p.panels_m - 1u);
  let a_chunk_$R = (($(R * 256)u + index) / 16u) % 4u;
  let a_at_$R = (a_first + a_panel_$R * p.a_stride + a_chunk_$R) * 16u + index % 16u;
  let a_to_$R = a_chunk_$R * $(16 * ROWS)u + (($(R * 256)u + index) / 64u) * 16u + index % 16u;
  #end
  #for J 0 COLS
  #if MODE == nt
  // Number J * 256 + index of [panel of n][chunk of k][row].
  let b_panel_$J = min(tile.y * $(4 * COLS)u + ($(J * 256)u + index) / 64u, p.panels_b - 1u);
  let b_chunk_$J = (index / 16u) % 4u;
  #if BLOCKS == no
  let b_at_$J = (b_first + b_panel_$J * p.b_stride + b_chunk_$J) * 16u + index % 16u;
  #end
  let b_n_$J = (($(J * 256)u + index) / 64u) * 16u + index % 16u;
  #end
  #if MODE == nn
  // Number J * 256 + index of [chunk of n][k].
  let b_n_$J = ($(J * 256)u + index) / 16u;
  let b_chunk_$J = min(tile.y * $(16 * COLS)u + b_n_$J, p.chunks_n - 1u);
  #if BLOCKS == no
  let b_at_$J = (b_first + b_chunk_$J) * 16u + index % 16u;
  #end
  #end
  #end
  let row = index / 16u;
  let column = index % 16u;
  #for R 0 ROWS
  #for J 0 COLS
  var sum_$(R)_$J = vec4f(0);
  #end
  #end

  for (var k = 0u; k < p.chunks_k; k += 4u) {
    // Chunks past the last one count as zero.
    #for R 0 LOADS_A
    let a_next_$R = select(vec4f(0), a[a_at_$R + min(k, p.chunks_k - 1u - min(a_chunk_$R, p.chunks_k - 1u)) * 16u], k + a_chunk_$R < p.chunks_k);
    #end
    #for J 0 COLS
    #if BLOCKS == yes
    #if MODE == nt
    let b_next_$J = weights4(b_panel_$J, index % 16u, min(k + b_chunk_$J, p.chunks_k - 1u), p.b_stride);
    #else
    let b_next_$J = weights4(min(k / 4u, p.panels_b - 1u), index % 16u, b_chunk_$J, p.b_stride);
    #end
    #else
    #if MODE == nt
    let b_next_$J = unpack4(b[b_at_$J + min(k, p.chunks_k - 1u - min(b_chunk_$J, p.chunks_k - 1u)) * 16u]);
    #end
    #if MODE == nn
    let b_next_$J = unpack4(b[b_at_$J + min(k / 4u, p.panels_b - 1u) * p.b_stride * 16u]);
    #end
    #end
    #end
    workgroupBarrier();
    #for R 0 LOADS_A
    #if LOADS_A == 1
    if (index < $(64 * ROWS)u) { a_tile[a_to_$R] = a_next_$R; }
    #else
    a_tile[a_to_$R] = a_next_$R;
    #end
    #end
    #for J 0 COLS
    #if MODE == nt
    b_tile[b_chunk_$J * B_STRIDE + b_n_$J + b_n_$J / 4u] = b_next_$J;
    #end
    #if MODE == nn
    b_tile[(index % 16u) * $(16 * COLS)u + b_n_$J] = b_next_$J;
    #end
    #end
    workgroupBarrier();
    for (var chunk = 0u; chunk < 4u; chunk++) {
      #for J 0 COLS
      #if MODE == nt
      #for I 0 4
      let b_$(I)_$J = b_tile[chunk * B_STRIDE + ($(J * 16)u + column) * 5u + $(I)u];
      #end
      let v_0_$J = vec4f(b_0_$(J).x, b_1_$(J).x, b_2_$(J).x, b_3_$(J).x);
      let v_1_$J = vec4f(b_0_$(J).y, b_1_$(J).y, b_2_$(J).y, b_3_$(J).y);
      let v_2_$J = vec4f(b_0_$(J).z, b_1_$(J).z, b_2_$(J).z, b_3_$(J).z);
      let v_3_$J = vec4f(b_0_$(J).w, b_1_$(J).w, b_2_$(J).w, b_3_$(J).w);
      #end
      #if MODE == nn
      #for I 0 4
      let v_$(I)_$J = b_tile[(chunk * 4u + $(I)u) * $(16 * COLS)u + $(J * 16)u + column];
      #end
      #end
      #end
      #for R 0 ROWS
      {
        let x = a_tile[chunk * $(16 * ROWS)u + $(R * 16)u + row];
        #for J 0 COLS
        sum_$(R)_$J = fma(vec4f(x.x), v_0_$J, sum_$(R)_$J);
        sum_$(R)_$J = fma(vec4f(x.y), v_1_$J, sum_$(R)_$J);
        sum_$(R)_$J = fma(vec4f(x.z), v_2_$J, sum_$(R)_$J);
        sum_$(R)_$J = fma(vec4f(x.w), v_3_$J, sum_$(R)_$J);
        #end
      }
      #end
    }
  }

  let c_first = p.c_base + outer * p.c_outer + inner * p.c_step;
  #for R 0 ROWS
  if (tile.x * $(ROWS)u + $(R)u < p.panels_m) {
    #for J 0 COLS
    {
      let chunk = tile.y * $(16 * COLS)u + $(J * 16)u + column;
      if (chunk < p.chunks_n) {
        let at = (c_first + (tile.x * $(ROWS)u + $(R)u) * p.c_stride + chunk) * 16u + row;
        if (p.accumulate != 0u) { c[at] += p.scale * sum_$(R)_$J; } else { c[at] = p.scale * sum_$(R)_$J; }
      }
    }
    #end
  }
  #end
}
