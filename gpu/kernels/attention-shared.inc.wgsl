// What the kernels of attention by tiles on hardware share. A workgroup of 16 x 16 invocations, (x, y), works on ROWS = 16
// ROWS_EACH rows of its own side and T = 32 of the other in a step: an invocation has pairs of rows y + 16 i of the first and
// x + 16 j of the second, and of sums chunks x + 16 d of rows y + 16 i. Both sides come through workgroup memory.

// Cells of 4 columns: 4 chunks of both sides' rows, [chunk][row], or 16 chunks of the other's, [row][chunk] with a gap.
var<workgroup> stage: array<vec4f, $(17 * T)>;
// A number or two of each pair or invocation, [own row][33].
var<workgroup> weights: array<f32, $(33 * ROWS)>;
