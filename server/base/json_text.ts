/** JSON in the dialect of Python, which most logs are written by. */

/**
 * JSON as Python writes it: NaN, Infinity and -Infinity, which JSON lacks, become null. Undefined when it is no JSON
 * all the same.
 */
export function parseJsonText(text: string): unknown {
  // Strings are matched to be left alone.
  const plain = text.replace(/^\uFEFF/, "").replace(
    /"(?:[^"\\]|\\[^])*"|(?<![\w.])-?(?:Infinity|NaN)(?![\w.])/g,
    (token) => token.startsWith('"') ? token : "null",
  );
  try {
    return JSON.parse(plain);
  } catch {
    return undefined;
  }
}
