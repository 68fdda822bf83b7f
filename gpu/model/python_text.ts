/** Values as Python writes them: what Jinja prints, and what its filter tojson gives. */

/** A float as `repr` writes it: the shortest digits that read back, an exponent from 1e16 on and below 1e-4. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const [digits = "", exponentText = "0"] = value.toExponential().split("e");
  const exponent = Number(exponentText);
  if (exponent >= 16 || exponent < -4) {
    return `${digits}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  const text = exponent < 0
    ? value.toFixed(Math.max(0, digits.replace(/[-.]/g, "").length - 1 - exponent))
    : String(value);
  return text.includes(".") ? text : `${text}.0`;
}

/** A text as `repr` writes it. */
export function quoted(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  let written = "";
  for (const character of text) {
    if (character === "\\" || character === mark) written += `\\${character}`;
    else if (ESCAPES[character] !== undefined) written += ESCAPES[character];
    else if (character !== " " && /[\p{C}\p{Z}]/u.test(character)) written += escaped(character.codePointAt(0)!);
    else written += character;
  }
  return `${mark}${written}${mark}`;
}

const ESCAPES: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escaped(code: number): string {
  const [letter, length] = code < 0x100 ? ["x", 2] : code < 0x10000 ? ["u", 4] : ["U", 8];
  return `\\${letter}${code.toString(16).padStart(length as number, "0")}`;
}

/** What `str.strip` takes off without an argument. */
const SPACES = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

/** `str.strip`, or with one side only `lstrip` and `rstrip`. */
export function stripped(text: string, characters: string | undefined, left = true, right = true): string {
  const set = characters === undefined
    ? SPACES
    : Array.from(characters, (one) => `\\u{${one.codePointAt(0)!.toString(16)}}`).join("");
  if (set === "") return text;
  const start = left ? text.replace(new RegExp(`^[${set}]+`, "u"), "") : text;
  return right ? start.slice(0, start.length - trailing(start, new RegExp(`[${set}]`, "u"))) : start;
}

/** UTF-16 units of the characters at the end that are of this set: a pattern that ends in `$` would take quadratic time. */
function trailing(text: string, set: RegExp): number {
  const characters = Array.from(text);
  let [index, count] = [characters.length, 0];
  while (index > 0 && set.test(characters[index - 1]!)) count += characters[--index]!.length;
  return count;
}

/** `str.center`: of an odd number of spaces the more go left where the width is odd. */
export function centered(text: string, width: number): string {
  const missing = width - Array.from(text).length;
  if (missing <= 0) return text;
  const left = Math.floor(missing / 2) + (missing & width & 1);
  return `${" ".repeat(left)}${text}${" ".repeat(missing - left)}`;
}

/** `str.find`: where a part begins, in characters, or -1. */
export function found(text: string, part: string): number {
  const at = text.indexOf(part);
  return at < 0 ? -1 : Array.from(text.slice(0, at)).length;
}

/** `str.count`: how often a part is there, one behind the other. */
export function counted(text: string, part: string): number {
  return part === "" ? Array.from(text).length + 1 : text.split(part).length - 1;
}

/** `round(value, digits)` of a float for digits from 0 on: exact, ties to the even digit. */
export function rounded(value: number, digits: number): number {
  if (!Number.isFinite(value) || digits > 60) return value;
  const size = Math.abs(value);
  const up = Number(size.toFixed(digits));
  // toFixed is exact, and rounds ties up; a float's ties end within these digits.
  const isTie = /^50*$/.test(size.toFixed(Math.min(100, digits + 40)).slice(-40));
  const isOdd = isTie && Number(size.toFixed(digits).at(-1)) % 2 === 1;
  const result = isOdd ? Number((up - 10 ** -digits).toFixed(digits)) : up;
  return value < 0 ? -result : result;
}

const MARKUP: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  "'": "&#39;",
  '"': "&#34;",
};

/** Escaped for HTML, as MarkupSafe does. */
export const markup = (text: string): string => text.replace(/[&<>'"]/g, (character) => MARKUP[character]!);

const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];
const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/** `datetime.strftime`, for what templates ask. Another directive stays as it is. */
export function dateText(date: Date, format: string): string {
  const two = (value: number) => String(value).padStart(2, "0");
  const [month, day] = [MONTHS[date.getMonth()]!, DAYS[date.getDay()]!];
  const hour = date.getHours() % 12 || 12;
  const parts: Readonly<Record<string, string>> = {
    Y: String(date.getFullYear()),
    y: two(date.getFullYear() % 100),
    m: two(date.getMonth() + 1),
    d: two(date.getDate()),
    B: month,
    b: month.slice(0, 3),
    A: day,
    a: day.slice(0, 3),
    H: two(date.getHours()),
    I: two(hour),
    M: two(date.getMinutes()),
    S: two(date.getSeconds()),
    p: date.getHours() < 12 ? "AM" : "PM",
    "%": "%",
    "-d": String(date.getDate()),
    "-m": String(date.getMonth() + 1),
    "-H": String(date.getHours()),
    "-I": String(hour),
  };
  return format.replace(/%(-?[A-Za-z]|%)/g, (whole, letter: string) => parts[letter] ?? whole);
}
