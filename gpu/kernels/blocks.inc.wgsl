// Weights in blocks (gpu/kernels/blocks.ts), expanded to f32 exactly as the file's format says. The matrix is `b`, words.
// A strip is a block of each row of a panel; `rows` counts groups of 4 rows in a panel, `chunk` chunks of 4 columns in a
// block. Codes are at most 23 bits with their scale, so that scale * code is exact, and with the addend rounded once.

alias Packed = u32;

// Four float16 of two words. By their bits: unpack2x16float may take the smallest ones for zero.
fn halves(words: vec2u) -> vec4f {
  let bits = vec4u(words.x & 0xffffu, words.x >> 16u, words.y & 0xffffu, words.y >> 16u);
  let normal = bitcast<vec4f>(((bits & vec4u(0x7fffu)) << vec4u(13u)) + vec4u(0x38000000u));
  let subnormal = vec4f(vec4i(bits & vec4u(0x3ffu))) * 5.9604644775390625e-8;
  let magnitude = select(normal, subnormal, (bits & vec4u(0x7c00u)) == vec4u(0));
  return select(magnitude, -magnitude, bits >= vec4u(0x8000u));
}

// Four signed bytes of a word.
fn signed_bytes(word: u32) -> vec4f {
  return vec4f((vec4i(vec4u(word << 24u, word << 16u, word << 8u, word))) >> vec4u(24u));
}

struct Scales { scale: vec4f, addend: vec4f }

// Scale and addend of four rows in a group: an element is scale * code + addend.
fn scales4(strip: u32, rows: u32, group: u32) -> Scales {
  let at = strip + rows * 2u;
  var scale = halves(vec2u(b[at], b[at + 1u]));
  #if FACTORS == yes
  scale *= signed_bytes(b[strip + $(FACTORS_AT)u + group * 4u + rows]);
  #end
  #if ADDEND == no
  return Scales(scale, -$(ZERO).0 * scale);
  #else
  var addend = halves(vec2u(b[at + $(ADDENDS_AT)u], b[at + $(ADDENDS_AT + 1)u]));
  #if FACTORS == yes
  addend *= signed_bytes(b[strip + $(ADDEND_FACTORS_AT)u + group * 4u + rows]);
  #end
  #if ADDEND == minus
  addend = -addend;
  #end
  return Scales(scale, addend);
  #end
}

// Codes of four rows x four columns, as they lie: a word for each plane, or several.
struct Codes {
  #if P8 == yes
  p8: vec4u,
  #end
  #if P4 == yes
  p4: vec2u,
  #end
  #if P2 == yes
  p2: u32,
  #end
  #if P1 == yes
  p1: u32,
  #end
}

fn codes4(strip: u32, rows: u32, chunk: u32) -> Codes {
  var codes: Codes;
  let cell = chunk * 4u + rows;
  #if P8 == yes
  let at8 = strip + $(P8_AT)u + cell * 4u;
  codes.p8 = vec4u(b[at8], b[at8 + 1u], b[at8 + 2u], b[at8 + 3u]);
  #end
  #if P4 == yes
  let at4 = strip + $(P4_AT)u + cell * 2u;
  codes.p4 = vec2u(b[at4], b[at4 + 1u]);
  #end
  #if P2 == yes
  codes.p2 = b[strip + $(P2_AT)u + cell];
  #end
  #if P1 == yes
  codes.p1 = b[strip + $(P1_AT)u + (chunk / 2u) * 4u + rows] >> ((chunk % 2u) * 16u);
  #end
  return codes;
}

// Codes of a column, of the four rows.
fn column_codes(codes: Codes, column: u32) -> vec4f {
  var sum = vec4u(0);
  #if P8 == yes
  sum = (codes.p8 >> vec4u(8u * column)) & vec4u(255u);
  #end
  #if P4 == yes
  sum = (codes.p4.xxyy >> (vec4u(0u, 16u, 0u, 16u) + 4u * column)) & vec4u(15u);
  #end
  #if P2 == yes
  sum |= ((vec4u(codes.p2) >> (vec4u(0u, 8u, 16u, 24u) + 2u * column)) & vec4u(3u)) << vec4u($(P2_SHIFT)u);
  #end
  #if P1 == yes
  sum |= ((vec4u(codes.p1) >> (vec4u(0u, 4u, 8u, 12u) + column)) & vec4u(1u)) << vec4u($(P1_SHIFT)u);
  #end
  // Signed: the conversion of unsigned integers costs several instructions.
  return vec4f(vec4i(sum));
}

// Codes of a row, of the four columns.
fn row_codes(codes: Codes, row: u32) -> vec4f {
  var sum = vec4u(0);
  #if P8 == yes
  sum = (vec4u(codes.p8[row]) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(255u);
  #end
  #if P4 == yes
  sum = (vec4u(codes.p4[row / 2u]) >> (vec4u(0u, 4u, 8u, 12u) + 16u * (row % 2u))) & vec4u(15u);
  #end
  #if P2 == yes
  sum |= ((vec4u(codes.p2) >> (vec4u(0u, 2u, 4u, 6u) + 8u * row)) & vec4u(3u)) << vec4u($(P2_SHIFT)u);
  #end
  #if P1 == yes
  sum |= ((vec4u(codes.p1) >> (vec4u(0u, 1u, 2u, 3u) + 4u * row)) & vec4u(1u)) << vec4u($(P1_SHIFT)u);
  #end
  return vec4f(vec4i(sum));
}

// Four neighbours of a row: chunk `chunk` of `chunks` in row `row` of panel `panel`.
fn weights4(panel: u32, row: u32, chunk: u32, chunks: u32) -> vec4f {
  let strip = (panel * (chunks / $(BLOCK_CHUNKS)u) + chunk / $(BLOCK_CHUNKS)u) * $(STRIP_WORDS)u;
  let within = chunk % $(BLOCK_CHUNKS)u;
  let scales = scales4(strip, row / 4u, within / $(GROUP_CHUNKS)u);
  let codes = row_codes(codes4(strip, row / 4u, within), row % 4u);
  return scales.scale[row % 4u] * codes + scales.addend[row % 4u];
}
