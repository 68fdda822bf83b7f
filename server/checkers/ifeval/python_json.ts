/** Whether Python's `json.loads` takes a text: as JSON.parse, but NaN, Infinity and -Infinity are values too. */
import { replaceOutsideStrings } from "../../base/json_text.ts";

/** Python refuses to turn longer integers into numbers. */
const INTEGER_DIGITS = 4300;

export function isPythonJson(text: string): boolean {
  let tooLong = false;
  const plain = replaceOutsideStrings(
    text,
    /-?Infinity|NaN|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g,
    (token) => {
      // With spaces around, "1NaN" stays wrong.
      if (/[NI]/.test(token)) return " null ";
      if (/^-?\d+$/.test(token) && token.replace("-", "").length > INTEGER_DIGITS) tooLong = true;
      return token;
    },
  );
  if (tooLong || plain === undefined) return false;
  try {
    JSON.parse(plain);
    return true;
  } catch {
    return false;
  }
}
