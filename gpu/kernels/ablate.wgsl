// x = 0 in each span of columns, at the marked rows of its sequence: what ablated heads or neurons give.
// EXPERTS yes: rows of x are assignments, `count` for each row that may be marked, and only those of the span's expert.
// Bindings: 0 Params, 1 spans, from `start` on, 2 marked [rows] as numbers 0 and 1, 3 x [rows * count, columns],
// experts: 4 chosen [rows * count].
// One workgroup of 64 a span, folded over x and y.
struct Params { chunks: u32, start: u32, spans: u32, width: u32, count: u32 }
struct Span { first_row: u32, rows: u32, first_column: u32, columns: u32, expert: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> spans: array<Span>;
@group(0) @binding(2) var<storage, read> marked: array<u32>;
@group(0) @binding(3) var<storage, read_write> x: array<f32>;
#if EXPERTS == yes
@group(0) @binding(4) var<storage, read> chosen: array<u32>;
#end

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let number = group.y * p.width + group.x;
  if (number >= p.spans) { return; }
  let span = spans[p.start + number];
  for (var i = lane; i < span.rows * p.count * span.columns; i += 64u) {
    let row = span.first_row * p.count + i / span.columns;
    if (marked[row / p.count] == 0u) { continue; }
    #if EXPERTS == yes
    if (chosen[row] != span.expert) { continue; }
    #end
    let column = span.first_column + i % span.columns;
    x[((row / 16u) * p.chunks + column / 4u) * 64u + (row % 16u) * 4u + column % 4u] = 0.0;
  }
}
