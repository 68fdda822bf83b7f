// What the kernels of attention by tiles share (attention.ts). A tile is (first row of its sequence, length of the
// sequence, first query or key of the tile, 0), counted from the start of the sequence; tiles and steps begin where they
// do in the sequence alone. Counted in chunks of 4 columns: `chunks` a head, `queries` of q and of O, `rotated` of q | k,
// `projections` of q | k | v. `group` query heads share a key head.
struct Shape {
  rows: u32, group: u32, chunks: u32, queries: u32, rotated: u32, projections: u32
}

const LOWEST = -3.0e38;

// Where a row's chunk lies in panels of `stride` chunks.
fn cell(row: u32, stride: u32, chunk: u32) -> u32 { return ((row / 16u) * stride + chunk) * 16u + row % 16u; }

fn padded(length: u32) -> u32 { return (length + 15u) / 16u * 16u; }

fn sees(query: u32, key: u32, window: u32) -> bool { return key <= query && key + window > query; }

// The step at whose keys the first query of a tile begins to see.
fn first_key(query: u32, window: u32) -> u32 { return (max(query + 1u, window) - window) / $(T)u * $(T)u; }
