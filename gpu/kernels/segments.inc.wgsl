// Segments of a row [q | k | ...] that share a norm: the first `queries` of `query_chunks` chunks each, the others of
// `key_chunks`.
struct Segments { count: u32, queries: u32, query_chunks: u32, key_chunks: u32 }

fn segment_chunks(s: Segments, segment: u32) -> u32 { return select(s.key_chunks, s.query_chunks, segment < s.queries); }

fn segment_start(s: Segments, segment: u32) -> u32 {
  return min(segment, s.queries) * s.query_chunks + (max(segment, s.queries) - s.queries) * s.key_chunks;
}
