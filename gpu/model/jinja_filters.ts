/** Filters, methods and operators that @huggingface/jinja has not, or has in JavaScript's way. */
import {
  Dict,
  Float,
  Integer,
  integerText,
  isNumber,
  isTrue,
  itemsOf,
  List,
  representation,
  Text,
  text,
  type Value,
} from "./jinja_values.ts";
import { centered, counted, found, markup, rounded, stripped } from "./python_text.ts";

/** A truth value beside a number, or another one, counts as 1 or 0. */
export function numeric(value: Value, beside: Value): Value {
  return value.type === "BooleanValue" && isNumber(beside) ? new Integer(Number(value.value)) : value;
}

export function multiplied(operator: "*" | "%", left: Value, right: Value): Value {
  if (!isNumber(left) || !isNumber(right)) throw new Error(`cannot compute ${left.type} ${operator} ${right.type}`);
  const isFloat = [left, right].some(({ type }) => type === "FloatValue");
  const [one, other] = [Number(left.value), Number(right.value)];
  // Python's remainder has the sign of the divisor.
  return new (isFloat ? Float : Integer)(operator === "*" ? one * other : one - Math.floor(one / other) * other);
}

/** Python's `%` of a text, with %s, %r, %d, %i, %f and %%, widths and digits; a tuple's items one after the other. */
export function formatted(pattern: string, given: Value): Value {
  const items = given.type === "TupleValue" ? [...given.value as readonly Value[]] : [given];
  const names = given.value instanceof Map ? given.value as ReadonlyMap<string, Value> : undefined;
  const written = pattern.replace(
    /%(?:\((.*?)\))?([-0]?)(\d*)(?:\.(\d+))?(.?)/gs,
    (whole, name: string | undefined, flag: string, width: string, digits: string | undefined, kind: string) => {
      if (whole === "%%") return "%";
      const value = name === undefined ? items.shift() : names?.get(name);
      if (value === undefined) throw new Error("not enough arguments for format string");
      const one = conversion(value, kind, digits);
      if (flag === "-") return one.padEnd(Number(width));
      const isZero = flag === "0" && isNumber(value);
      const sign = isZero && one.startsWith("-") ? "-" : "";
      return isZero
        ? sign + one.slice(sign.length).padStart(Number(width) - sign.length, "0")
        : one.padStart(Number(width));
    },
  );
  if (!names && items.length > 0) throw new Error("not all arguments converted during string formatting");
  return new Text(written);
}

function conversion(value: Value, kind: string, digits: string | undefined): string {
  if (kind === "s" || kind === "r") {
    const whole = kind === "s" ? text(value) : representation(value);
    return digits === undefined ? whole : Array.from(whole).slice(0, Number(digits)).join("");
  }
  if (!isNumber(value) || !["d", "i", "f"].includes(kind)) throw new Error(`cannot format ${value.type} by %${kind}`);
  const number = Number(value.value);
  if (!Number.isFinite(number)) throw new Error("cannot format a number that is not finite");
  if (kind !== "f") {
    return value.type === "IntegerValue" ? integerText(value) : integerText(new Integer(Math.trunc(number)));
  }
  const places = Number(digits ?? 6);
  return rounded(number, places).toFixed(places);
}

/** Characters that `center` makes at most. */
const MAX_WIDTH = 100_000;

type Compute = (operator: string, left: Value, right: Value) => Value;

/** Filters that do not put anything beside an escaped text. */
export const ON_ESCAPED: ReadonlySet<string> = new Set(["e", "escape", "length", "count", "string", "tojson"]);

/** Filters that the library has not, or has in JavaScript's way. */
export const FILTERS: Readonly<
  Record<
    string,
    (operand: Value, given: readonly Value[], named: ReadonlyMap<string, Value>, compute: Compute) => Value
  >
> = {
  format: (operand, given, named) => {
    if (given.length > 0 && named.size > 0) throw new Error("format takes arguments by place or by name");
    if (named.size > 0) return formatted(text(operand), new Dict(new Map(named)));
    return formatted(text(operand), tupleOf(given));
  },
  sum: (operand, given, named, compute) => {
    if (given.length > 0 || [...named.keys()].some((name) => name !== "start")) {
      throw new Error("sum takes start alone");
    }
    return itemsOf(operand).reduce((sum, item) => compute("+", sum, item), named.get("start") ?? new Integer(0));
  },
  max: (operand, given, named, compute) => extreme(operand, given, named, (one, other) => compute(">", one, other)),
  min: (operand, given, named, compute) => extreme(operand, given, named, (one, other) => compute("<", one, other)),
  round: (operand, [precision], named) => {
    const digits = precision ?? named.get("precision") ?? new Integer(0);
    if (named.has("method") || !isNumber(operand) || digits.type !== "IntegerValue" || (digits.value as number) < 0) {
      throw new Error("round takes a number and digits from 0 on");
    }
    return operand.type === "FloatValue"
      ? new Float(rounded(operand.value as number, digits.value as number))
      : numeric(operand, operand);
  },
  center: (operand, [width], named) => {
    const wide = width ?? named.get("width") ?? new Integer(80);
    if (wide.type !== "IntegerValue" || (wide.value as number) > MAX_WIDTH) throw new Error("center takes a width");
    return new Text(centered(text(operand), wide.value as number));
  },
  e: (operand) => escaped(operand),
  escape: (operand) => escaped(operand),
};

function tupleOf(items: readonly Value[]): Value {
  return Object.assign(new List([...items]), { type: "TupleValue" });
}

function escaped(value: Value): Value {
  return value.escaped ? value : Object.assign(new Text(markup(text(value))), { escaped: true as const });
}

/** The first of the items that none beats; letters count without their case, as in Jinja. */
function extreme(
  operand: Value,
  given: readonly Value[],
  named: ReadonlyMap<string, Value>,
  beats: (one: Value, other: Value) => Value,
): Value {
  if (given.length > 0 || named.size > 0) throw new Error("max and min take no arguments here");
  const items = itemsOf(operand);
  if (items.some(({ type }) => type === "StringValue")) {
    if (!items.every(({ type }) => type === "StringValue")) throw new Error("texts and others cannot be compared");
    const key = ({ value }: Value) => Array.from((value as string).toLowerCase(), (one) => one.codePointAt(0)!);
    const sign = isTrue(beats(new Integer(1), new Integer(0))) ? 1 : -1;
    return items.reduce((best, item) => sign * compareCodes(key(item), key(best)) > 0 ? item : best);
  }
  if (items.length === 0) throw new Error("max and min of nothing are not defined");
  return items.reduce((best, item) => isTrue(beats(item, best)) ? item : best);
}

function compareCodes(one: readonly number[], other: readonly number[]): number {
  const at = one.findIndex((code, index) => code !== other[index]);
  return at < 0 ? one.length - other.length : one[at]! - (other[at] ?? -1);
}

export const METHODS: Readonly<Record<string, (text: string, given: readonly Value[]) => Value>> = {
  strip: (self, [characters]) => new Text(stripped(self, characters && text(characters))),
  lstrip: (self, [characters]) => new Text(stripped(self, characters && text(characters), true, false)),
  rstrip: (self, [characters]) => new Text(stripped(self, characters && text(characters), false, true)),
  find: (self, [part, ...more]) => new Integer(found(self, onlyText(part, more))),
  count: (self, [part, ...more]) => new Integer(counted(self, onlyText(part, more))),
  join: (self, [items]) => new Text(itemsOf(items!).map(text).join(self)),
};

function onlyText(part: Value | undefined, more: readonly Value[]): string {
  if (part?.type !== "StringValue" || more.length > 0) throw new Error("takes one text");
  return part.value as string;
}
