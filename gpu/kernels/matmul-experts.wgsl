// Product of assignments' rows with the matrix of each one's expert, sorted by expert as expert-slots.wgsl leaves them:
//
//   MODE nt:  C[a, n] = sum_k A[a / rows_from, k] * B_e[n, k]        B_e: rows e * expert_rows ... of B
//   MODE nn:  C[a, n] = sum_k A[a / rows_from, k] * B_e[k, n]
//
// for each assignment a below `limit` whose expert e lies in this part of B. A and C may hold several gradients (targets of
// a pack) one after the other. The sum runs over k in ascending order whatever the panel, so that an assignment's result
// does not depend on what it shares a panel with.
// Bindings: 0 Params, 1 A (f32), 2 B (TYPE), 3 C (f32), 4 slots, 5 experts.
// A workgroup of 64 makes a panel of assignments (y) x 256 columns (x), for a target (z); an invocation 16 rows x 4 columns.
#if BLOCKS == yes
#include blocks
#else
#include element
#end

struct Params {
  chunks_n: u32, chunks_k: u32,
  a_chunks: u32, b_chunks: u32, c_chunks: u32, // of a row
  a_panels: u32, c_panels: u32, // of a target
  rows_from: u32, limit: u32,
  expert_rows: u32, first_expert: u32, experts: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<Packed>;
@group(0) @binding(3) var<storage, read_write> c: array<vec4f>;
@group(0) @binding(4) var<storage, read> slots: array<u32>;
@group(0) @binding(5) var<storage, read> panel_experts: array<u32>;

fn cell(row: u32, chunks: u32) -> u32 { return (row / 16u) * chunks * 16u + row % 16u; }

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) lane: u32) {
  let expert = panel_experts[tile.y];
  // NONE is larger than any.
  if (expert < p.first_expert || expert - p.first_expert >= p.experts) { return; }
  let chunk = tile.x * 64u + lane;
  if (chunk >= p.chunks_n) { return; }
  let first_row = (expert - p.first_expert) * p.expert_rows;
  #for R 0 16
  let slot_$R = slots[tile.y * 16u + $(R)u];
  let known_$R = slot_$R < p.limit;
  var a_at_$R = tile.z * p.a_panels * p.a_chunks * 16u + cell(select(0u, slot_$R, known_$R) / p.rows_from, p.a_chunks);
  var sum_$R = vec4f(0);
  #end
  for (var k = 0u; k < p.chunks_k; k++) {
    #for I 0 4
    #if BLOCKS == yes
    #if MODE == nt
    let row_$I = first_row + chunk * 4u + $(I)u;
    let b_$I = weights4(row_$I / 16u, row_$I % 16u, k, p.b_chunks);
    #else
    let row_$I = first_row + k * 4u + $(I)u;
    let v_$I = weights4(row_$I / 16u, row_$I % 16u, chunk, p.b_chunks);
    #end
    #else
    #if MODE == nt
    let b_$I = unpack4(b[cell(first_row + chunk * 4u + $(I)u, p.b_chunks) + k * 16u]);
    #else
    let v_$I = unpack4(b[cell(first_row + k * 4u + $(I)u, p.b_chunks) + chunk * 16u]);
    #end
    #end
    #end
    #if MODE == nt
    let v_0 = vec4f(b_0.x, b_1.x, b_2.x, b_3.x);
    let v_1 = vec4f(b_0.y, b_1.y, b_2.y, b_3.y);
    let v_2 = vec4f(b_0.z, b_1.z, b_2.z, b_3.z);
    let v_3 = vec4f(b_0.w, b_1.w, b_2.w, b_3.w);
    #end
    #for R 0 16
    {
      let x = a[a_at_$R + k * 16u];
      sum_$R = fma(vec4f(x.w), v_3, fma(vec4f(x.z), v_2, fma(vec4f(x.y), v_1, fma(vec4f(x.x), v_0, sum_$R))));
    }
    #end
  }
  #for R 0 16
  if (known_$R) { c[tile.z * p.c_panels * p.c_chunks * 16u + cell(slot_$R, p.c_chunks) + chunk * 16u] = sum_$R; }
  #end
}
