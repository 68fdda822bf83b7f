// A workgroup works on one panel: 16 rows, 8 lanes a row. Neighbouring invocations hold neighbouring rows, so that
// loads of a cell are contiguous.
const LANES_PER_ROW = 8u;
var<workgroup> partial: array<f32, 128>;

// The row's total over its lanes, in a fixed order.
fn row_sum(value: f32, index: u32) -> f32 {
  workgroupBarrier();
  partial[index] = value;
  workgroupBarrier();
  var total = 0.0;
  for (var lane = 0u; lane < LANES_PER_ROW; lane++) { total += partial[lane * 16u + index % 16u]; }
  return total;
}

fn row_max(value: f32, index: u32) -> f32 {
  workgroupBarrier();
  partial[index] = value;
  workgroupBarrier();
  var most = partial[index % 16u];
  for (var lane = 1u; lane < LANES_PER_ROW; lane++) { most = max(most, partial[lane * 16u + index % 16u]); }
  return most;
}
