/** Values of @huggingface/jinja's interpreter, made, written and compared as Python does. */
import { Environment } from "@huggingface/jinja";
import { exactly } from "./exact_json.ts";
import type { JsonObject } from "./json.ts";
import { floatText, quoted } from "./python_text.ts";

export type Variable = Parameters<Environment["setVariable"]>[1];

/** A value of the interpreter, whose classes the library keeps to itself. */
export interface Value {
  readonly type: string;
  readonly value: unknown;
  /** The digits of a whole number that JavaScript rounds. */
  exact?: string;
  /** Escaped: what is put together with it would have to be escaped too. */
  escaped?: true;
}
type ValueClass = new (value?: unknown) => Value;

/** The library's classes, taken from values that it makes. */
export const { Integer, Float, Text, Bool, Null, List, Dict, Callable } = (() => {
  const classOf = (value: unknown): ValueClass => {
    const scope = new Environment();
    scope.set("value", value);
    return scope.lookupVariable("value").constructor as unknown as ValueClass;
  };
  return {
    Integer: classOf(1),
    Float: classOf(1.5),
    Text: classOf(""),
    Bool: classOf(true),
    Null: classOf(null),
    List: classOf([]),
    Dict: classOf({}),
    Callable: classOf(() => null),
  };
})();

/** JSON as the interpreter's values, numbers and order of keys as they stood in its text. */
export function runtimeValue(json: unknown): Value {
  if (json === undefined || json === null) return new Null(null);
  if (typeof json === "string") return new Text(json);
  if (typeof json === "boolean") return new Bool(json);
  if (typeof json === "number") return Number.isInteger(json) ? new Integer(json) : new Float(json);
  const exact = exactly(json as object);
  const item = (key: string, value: unknown) => {
    const source = exact?.numbers.get(key);
    return source !== undefined && Number(source) === value ? numberValue(source) : runtimeValue(value);
  };
  if (Array.isArray(json)) return new List(json.map((value, index) => item(String(index), value)));
  const fields = json as JsonObject;
  // What was added since comes last.
  const keys = new Set([...(exact?.keys ?? []).filter((key) => Object.hasOwn(fields, key)), ...Object.keys(fields)]);
  return new Dict(new Map([...keys].map((key) => [key, item(key, fields[key])])));
}

function numberValue(source: string): Value {
  if (/[.eE]/.test(source)) return new Float(Number(source));
  const value = new Integer(Number(source) || 0);
  if (!Number.isSafeInteger(value.value)) value.exact = BigInt(source).toString();
  return value;
}

/** A value as Jinja prints it. */
export function text(value: Value): string {
  if (value.type === "StringValue") return value.value as string;
  return value.type === "UndefinedValue" ? "" : representation(value);
}

/** As Python's repr. */
export function representation(value: Value): string {
  const { type } = value;
  if (type === "StringValue") return quoted(value.value as string);
  if (type === "BooleanValue") return value.value ? "True" : "False";
  if (type === "NullValue") return "None";
  if (type === "UndefinedValue") return "Undefined";
  if (type === "FloatValue") return floatText(value.value as number);
  if (type === "IntegerValue") return integerText(value);
  if (type === "ArrayValue" || type === "TupleValue") {
    const items = (value.value as readonly Value[]).map(representation).join(", ");
    if (type === "ArrayValue") return `[${items}]`;
    return (value.value as readonly Value[]).length === 1 ? `(${items},)` : `(${items})`;
  }
  if (!(value.value instanceof Map)) throw new Error(`cannot write a ${type}`);
  const entries = [...value.value as Map<string, Value>];
  return `{${entries.map(([key, item]) => `${quoted(key)}: ${representation(item)}`).join(", ")}}`;
}

export function integerText({ exact, value }: Value): string {
  return exact ?? (Number.isSafeInteger(value) ? String(value) : BigInt(value as number).toString());
}

interface JsonStyle {
  readonly indent: string | null;
  readonly ascii: boolean;
  readonly sorted: boolean;
  readonly separators: readonly [item: string, key: string];
}

/** As Python's json.dumps. */
export function jsonText(value: Value, style: JsonStyle, depth = 0): string {
  const { type } = value;
  if (type === "StringValue") return jsonString(value.value as string, style.ascii);
  if (type === "BooleanValue") return value.value ? "true" : "false";
  if (type === "NullValue") return "null";
  if (type === "IntegerValue") return integerText(value);
  if (type === "FloatValue") {
    const written = floatText(value.value as number);
    return ({ nan: "NaN", inf: "Infinity", "-inf": "-Infinity" } as Readonly<Record<string, string>>)[written] ??
      written;
  }
  const isList = type === "ArrayValue" || type === "TupleValue";
  if (!isList && !(value.value instanceof Map)) throw new Error(`Object of type ${type} is not JSON serializable`);
  const [item, colon] = style.separators;
  const entries = isList ? [] : [...value.value as Map<string, Value>];
  if (style.sorted) entries.sort(([one], [other]) => one < other ? -1 : one > other ? 1 : 0);
  const parts = isList
    ? (value.value as readonly Value[]).map((one) => jsonText(one, style, depth + 1))
    : entries.map(([key, one]) => `${jsonString(key, style.ascii)}${colon}${jsonText(one, style, depth + 1)}`);
  const [open, close] = isList ? ["[", "]"] : ["{", "}"];
  if (style.indent === null || parts.length === 0) return `${open}${parts.join(item)}${close}`;
  const line = (levels: number) => `\n${style.indent!.repeat(levels)}`;
  return `${open}${line(depth + 1)}${parts.join(item + line(depth + 1))}${line(depth)}${close}`;
}

function jsonString(value: string, ascii: boolean): string {
  const written = JSON.stringify(value);
  if (!ascii) return written;
  // deno-lint-ignore no-control-regex -- all that is not ASCII, and the one control character that JSON leaves
  return written.replace(/[^\x00-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Python's ==. */
export function isEqual(one: Value, other: Value): boolean {
  if (isNumber(one) && isNumber(other)) {
    return one.exact !== undefined || other.exact !== undefined
      ? integerText(one) === integerText(other)
      : Number(one.value) === Number(other.value);
  }
  if (Array.isArray(one.value) && Array.isArray(other.value)) {
    const items = other.value as readonly Value[];
    return one.type === other.type && one.value.length === items.length &&
      (one.value as readonly Value[]).every((item, index) => isEqual(item, items[index]!));
  }
  if (one.value instanceof Map && other.value instanceof Map) {
    const fields = other.value as ReadonlyMap<string, Value>;
    return one.value.size === fields.size &&
      [...one.value as Map<string, Value>].every(([key, item]) => fields.has(key) && isEqual(item, fields.get(key)!));
  }
  return one.type === other.type && one.value === other.value;
}

export function isNumber({ type }: Value): boolean {
  return type === "IntegerValue" || type === "FloatValue" || type === "BooleanValue";
}

export function isTrue(value: Value): boolean {
  return (value as unknown as { __bool__(): { readonly value: boolean } }).__bool__().value;
}

export function itemsOf(value: Value): readonly Value[] {
  if (Array.isArray(value.value)) return value.value as readonly Value[];
  if (value.value instanceof Map) return [...value.value.keys()].map((key) => new Text(key));
  if (value.type === "StringValue") return Array.from(value.value as string, (character) => new Text(character));
  if (value.type === "UndefinedValue") return [];
  throw new Error(`'${value.type}' is not iterable`);
}

export function jsonStyle(named: ReadonlyMap<string, Value>): JsonStyle {
  const indent = named.get("indent")?.value ?? null;
  const given = named.get("separators")?.value;
  const separators = Array.isArray(given) ? (given as readonly Value[]).map(text) : undefined;
  const isOn = (name: string) => named.has(name) && isTrue(named.get(name)!);
  return {
    indent: indent === null ? null : typeof indent === "string" ? indent : " ".repeat(Number(indent)),
    ascii: isOn("ensure_ascii"),
    sorted: isOn("sort_keys"),
    separators: separators?.length === 2
      ? separators as [string, string]
      : indent === null
      ? [", ", ": "]
      : [",", ": "],
  };
}
