// Matrix product of one weight matrix on subgroup matrices, f16 x f16 with f32 sums, for hardware adapters that report
// them; what it computes and its params are those of matmul-tile.wgsl, without a batch.
//
//   MODE nt:  C[m, n] (+)= scale * sum_k A[m, k] * B[n, k]
//   MODE nn:  C[m, n] (+)= scale * sum_k A[m, k] * B[k, n]
//
// A is f32. It is scaled by a power of two, so that the largest of |A| (binding 4: its bits) comes below 2^14, and split
// into two f16, whose products with B are summed: about 22 bits of A remain, and B's 16 bits all. TYPE is bf16 or f16.
//
// Bindings: 0 Params, 1 A, 2 B (TYPE), 3 C (f32), 4 largest (u32).
// A workgroup is 4 subgroups of 32 and makes 64 rows x 64 columns, in steps of 16 k; a subgroup makes 32 x 32 of them.
// No subgroup arithmetic may stand in this module: drivers have crashed on the mixture.
enable f16;
enable chromium_experimental_subgroup_matrix;
#include element

struct Params {
  chunks_n: u32, // chunks of 4 columns of C
  chunks_k: u32, // chunks of 4 along k
  accumulate: u32,
  scale: f32,
  panels_m: u32,
  panels_b: u32,
  b_stride: u32,
  a_stride: u32,
  c_stride: u32,
  a_base: u32,
  c_base: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<Packed>;
@group(0) @binding(3) var<storage, read_write> c: array<vec4f>;
@group(0) @binding(4) var<storage, read> largest: array<u32>;

// [row][k], [row][k], [k][column], [row][column].
var<workgroup> a_high: array<f16, 1024>;
var<workgroup> a_low: array<f16, 1024>;
var<workgroup> b_tile: array<f16, 1024>;
var<workgroup> c_tile: array<f32, 4096>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) tile: vec3u, @builtin(local_invocation_index) index: u32) {
  // 2^(14 - exponent of the largest): both powers are built from their bits. A of zeros keeps a scale of 1.
  let exponent = clamp(i32((largest[0] >> 23u) & 255u) - 127, -100, 100);
  let some = largest[0] != 0u;
  let to_half = select(1.0, bitcast<f32>(u32(127 + 13 - exponent) << 23u), some);
  let from_half = select(1.0, bitcast<f32>(u32(127 - 13 + exponent) << 23u), some);
  let first_row = (index / 64u) * 32u;
  let first_column = ((index / 32u) % 2u) * 32u;
  #for I 0 32/M
  #for J 0 32/N
  var sum_$(I)_$J = subgroup_matrix_result<f32, $N, $M>();
  #end
  #end

  for (var k = 0u; k < p.chunks_k; k += 4u) {
    workgroupBarrier();
    #for L 0 2
    {
      // Number of [panel][chunk of k][row]: of A; of B in mode nt, where rows are columns of C.
      let number = $(L * 128)u + index;
      let chunk = (number / 16u) % 4u;
      let row = (number / 64u) * 16u + number % 16u;
      let known = k + chunk < p.chunks_k;
      let panel = min(tile.x * 4u + number / 64u, p.panels_m - 1u);
      let x = select(vec4f(0), to_half * a[(p.a_base + panel * p.a_stride + min(k + chunk, p.chunks_k - 1u)) * 16u + number % 16u], known);
      let high = vec4<f16>(x);
      let low = vec4<f16>(x - vec4f(high));
      #if MODE == nt
      let b_panel = min(tile.y * 4u + number / 64u, p.panels_b - 1u);
      let w = vec4<f16>(unpack4(b[(b_panel * p.b_stride + min(k + chunk, p.chunks_k - 1u)) * 16u + number % 16u]));
      #end
      #if MODE == nn
      // Number of [chunk of n][k].
      let b_chunk = min(tile.y * 16u + number / 16u, p.chunks_n - 1u);
      let w = vec4<f16>(unpack4(b[(min(k / 4u, p.panels_b - 1u) * p.b_stride + b_chunk) * 16u + number % 16u]));
      #end
      #for E 0 4
      a_high[row * 16u + chunk * 4u + $(E)u] = high[$E];
      a_low[row * 16u + chunk * 4u + $(E)u] = low[$E];
      #if MODE == nt
      b_tile[(chunk * 4u + $(E)u) * 64u + row] = w[$E];
      #end
      #if MODE == nn
      b_tile[(number % 16u) * 64u + (number / 16u) * 4u + $(E)u] = w[$E];
      #end
      #end
    }
    #end
    workgroupBarrier();
    #for S 0 16/K
    #for J 0 32/N
    let right_$(S)_$J = subgroupMatrixLoad<subgroup_matrix_right<f16, $N, $K>, row_major>(&b_tile, $(S * K * 64)u + first_column + $(J * N)u, 64u);
    #end
    #for I 0 32/M
    {
      let at = (first_row + $(I * M)u) * 16u + $(S * K)u;
      let high = subgroupMatrixLoad<subgroup_matrix_left<f16, $K, $M>, row_major>(&a_high, at, 16u);
      let low = subgroupMatrixLoad<subgroup_matrix_left<f16, $K, $M>, row_major>(&a_low, at, 16u);
      #for J 0 32/N
      sum_$(I)_$J = subgroupMatrixMultiplyAccumulate(high, right_$(S)_$J, sum_$(I)_$J);
      sum_$(I)_$J = subgroupMatrixMultiplyAccumulate(low, right_$(S)_$J, sum_$(I)_$J);
      #end
    }
    #end
    #end
  }

  #for I 0 32/M
  #for J 0 32/N
  subgroupMatrixStore<row_major>(&c_tile, (first_row + $(I * M)u) * 64u + first_column + $(J * N)u, sum_$(I)_$J, 64u);
  #end
  #end
  workgroupBarrier();
  for (var number = index; number < 1024u; number += 128u) {
    let row = number % 64u;
    let panel = tile.x * 4u + row / 16u;
    let chunk = tile.y * 16u + number / 64u;
    if (panel < p.panels_m && chunk < p.chunks_n) {
      let first = row * 64u + (number / 64u) * 4u;
      let value = p.scale * from_half * vec4f(c_tile[first], c_tile[first + 1u], c_tile[first + 2u], c_tile[first + 3u]);
      let at = (p.c_base + panel * p.c_stride + chunk) * 16u + row % 16u;
      if (p.accumulate != 0u) { c[at] += value; } else { c[at] = value; }
    }
  }
}
