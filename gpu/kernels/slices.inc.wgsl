// Slices of a row [q | k | ...] that share a norm: the first `queries` of `query_chunks` chunks each, the others of
// `key_chunks`. Columns that pad heads are zero: `query_columns` and `key_columns` count the others.
struct Slices {
  count: u32, queries: u32, query_chunks: u32, key_chunks: u32, query_columns: u32, key_columns: u32
}

fn slice_columns(s: Slices, slice: u32) -> f32 {
  return f32(select(s.key_columns, s.query_columns, slice < s.queries));
}

fn slice_chunks(s: Slices, slice: u32) -> u32 { return select(s.key_chunks, s.query_chunks, slice < s.queries); }

fn slice_start(s: Slices, slice: u32) -> u32 {
  return min(slice, s.queries) * s.query_chunks + (max(slice, s.queries) - s.queries) * s.key_chunks;
}
