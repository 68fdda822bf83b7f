/** Whether Python's `json.loads` takes a text: as JSON.parse, but NaN, Infinity and -Infinity are values too. */

/** Python refuses to turn longer integers into numbers. */
const INTEGER_DIGITS = 4300;

export function isPythonJson(text: string): boolean {
  let tooLong = false;
  // Strings are matched to be left alone. With spaces around, "1NaN" stays wrong.
  const plain = text.replace(
    /"(?:[^"\\]|\\[^])*"|-?Infinity|NaN|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g,
    (token) => {
      if (token.startsWith('"')) return token;
      if (/[NI]/.test(token)) return " null ";
      if (/^-?\d+$/.test(token) && token.replace("-", "").length > INTEGER_DIGITS) tooLong = true;
      return token;
    },
  );
  if (tooLong) return false;
  try {
    JSON.parse(plain);
    return true;
  } catch {
    return false;
  }
}
