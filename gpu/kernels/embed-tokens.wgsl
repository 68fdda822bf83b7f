// x [rows, hidden] = scale * the embeddings of tokens, as far as this part of the embedding matrix has them: its rows are
// first_row up to first_row + rows. Elements of the matrix are of TYPE. Other rows of x stay as they are. MODE add: x += ...
// Bindings: 0 Params, 1 tokens [count], 2 part of the embedding matrix, 3 x. One invocation a row and chunk: workgroup
// 16 chunks x 4 rows.
#if BLOCKS == yes
#include blocks
#else
#include element
#end

struct Params { chunks: u32, count: u32, first_row: u32, rows: u32, scale: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> tokens: array<u32>;
@group(0) @binding(2) var<storage, read> b: array<Packed>;
@group(0) @binding(3) var<storage, read_write> x: array<vec4f>;

fn cell(row: u32, chunk: u32) -> u32 { return ((row / 16u) * p.chunks + chunk) * 16u + row % 16u; }

@compute @workgroup_size(16, 4)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= p.chunks || id.y >= p.count) { return; }
  let token = tokens[id.y];
  if (token < p.first_row || token >= p.first_row + p.rows) { return; }
  let row = token - p.first_row;
  #if BLOCKS == yes
  let embedded = p.scale * weights4(row / 16u, row % 16u, id.x, p.chunks);
  #else
  let embedded = p.scale * unpack4(b[cell(row, id.x)]);
  #end
  #if MODE == add
  x[cell(id.y, id.x)] += embedded;
  #else
  x[cell(id.y, id.x)] = embedded;
  #end
}
