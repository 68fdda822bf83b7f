/**
 * Jinja as transformers runs it. Parser and interpreter are those of @huggingface/jinja; what it does in JavaScript's way
 * is done in Python's here: how values are written and compared, `tojson`, `strip`, loops (a scope for each turn, `break`
 * keeps what was written), `range` with the limit of Jinja's sandbox.
 */
import { Environment, Interpreter, parse, tokenize } from "@huggingface/jinja";
import { exactly } from "./exact_json.ts";
import type { JsonObject } from "./json.ts";
import { dateText, floatText, quoted, stripped } from "./python_text.ts";

/** A parsed template. */
export type JinjaTemplate = ReturnType<typeof parse>;

/** Throws Error when it is broken. Line ends become line feeds, as in Jinja. */
export function parseJinja(text: string): JinjaTemplate {
  return parse(tokenize(text.replaceAll(/\r\n?/g, "\n"), { lstrip_blocks: true, trim_blocks: true }));
}

/** Renders a template with these variables. Throws Error for what it refuses. */
export function renderJinja(template: JinjaTemplate, variables: JsonObject): string {
  const scope = new Environment();
  for (const [name, value] of Object.entries(GLOBALS)) scope.set(name, value);
  for (const [name, value] of Object.entries(variables)) scope.setVariable(name, runtimeValue(value) as Variable);
  return (new PythonInterpreter(scope).run(template) as { readonly value: unknown }).value as string;
}

type Variable = Parameters<Environment["setVariable"]>[1];

/** A value of the interpreter, whose classes the library keeps to itself. */
interface Value {
  readonly type: string;
  readonly value: unknown;
  /** The digits of a whole number that JavaScript rounds. */
  exact?: string;
}
type ValueClass = new (value?: unknown) => Value;

/** The library's classes, taken from values that it makes. */
const { Integer, Float, Text, Bool, Null, List, Dict, Callable } = (() => {
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

/** The largest range of Jinja's sandbox. */
const MAX_RANGE = 100_000;

const GLOBALS: JsonObject = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
  raise_exception: (message: string) => {
    throw new Error(message);
  },
  strftime_now: (format: string) => dateText(new Date(), format),
  range: (first: number, last?: number, step = 1) => {
    const [start, stop] = last === undefined ? [0, first] : [first, last];
    const count = Math.max(0, Math.ceil((stop - start) / step));
    if (step === 0) throw new Error("range() step must not be zero");
    if (count > MAX_RANGE) throw new Error(`range of ${count}, more than ${MAX_RANGE}`);
    return Array.from({ length: count }, (_, index) => start + index * step);
  },
};

/** JSON as the interpreter's values, numbers and order of keys as they stood in its text. */
function runtimeValue(json: unknown): Value {
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
function text(value: Value): string {
  if (value.type === "StringValue") return value.value as string;
  return value.type === "UndefinedValue" ? "" : representation(value);
}

/** As Python's repr. */
function representation(value: Value): string {
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

function integerText({ exact, value }: Value): string {
  return exact ?? (Number.isSafeInteger(value) ? String(value) : BigInt(value as number).toString());
}

interface JsonStyle {
  readonly indent: string | null;
  readonly ascii: boolean;
  readonly sorted: boolean;
  readonly separators: readonly [item: string, key: string];
}

/** As Python's json.dumps. */
function jsonText(value: Value, style: JsonStyle, depth = 0): string {
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
function isEqual(one: Value, other: Value): boolean {
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

function isNumber({ type }: Value): boolean {
  return type === "IntegerValue" || type === "FloatValue" || type === "BooleanValue";
}

/** `break` or `continue`, and what was written before it in the same turn of the loop. */
class LoopControl extends Error {
  written = "";
  constructor(readonly kind: "Break" | "Continue") {
    super(`${kind} outside of a loop`);
  }
}

/** A node of the parsed template, as far as it is looked at here. */
interface Node {
  readonly type: string;
  readonly [part: string]: unknown;
}
type Scope = Environment;

/** The library's methods that are called or replaced here; it declares them private. */
interface Machine {
  evaluate(node: Node | undefined, scope: Scope): Value;
  evaluateArguments(nodes: readonly Node[], scope: Scope): readonly [Value[], Map<string, Value>];
  applyFilter(operand: Value, filter: Node, scope: Scope): Value;
}
const Base = Interpreter as unknown as new (scope: Scope) => Machine & { run(template: JinjaTemplate): unknown };

/** Statements, which write nothing themselves. */
const SILENT: ReadonlySet<string> = new Set(["Set", "Macro", "Comment"]);

class PythonInterpreter extends Base {
  override evaluate(node: Node | undefined, scope: Scope): Value {
    if (node?.type === "Break" || node?.type === "Continue") throw new LoopControl(node.type);
    if (node?.type === "BinaryExpression") return this.#binary(node, scope);
    if (node?.type === "MemberExpression") return this.#member(node, scope);
    return super.evaluate(node, scope);
  }

  evaluateBlock(nodes: readonly Node[], scope: Scope): Value {
    let written = "";
    for (const node of nodes) {
      try {
        const value = this.evaluate(node, scope);
        if (!SILENT.has(node.type)) written += text(value);
      } catch (error) {
        if (error instanceof LoopControl) error.written = written + error.written;
        throw error;
      }
    }
    return new Text(written);
  }

  evaluateFor(node: Node, scope: Scope): Value {
    const iterable = node["iterable"] as Node;
    const isFiltered = iterable.type === "SelectExpression";
    const all = itemsOf(this.evaluate((isFiltered ? iterable["lhs"] : iterable) as Node, scope));
    const turn = (item: Value) => {
      const own = new Environment(scope);
      assign(own, node["loopvar"] as Node, item);
      return own;
    };
    const test = iterable["test"] as Node;
    const items = isFiltered ? all.filter((item) => isTrue(this.evaluate(test, turn(item)))) : all;
    if (items.length === 0) return this.evaluateBlock(node["defaultBlock"] as readonly Node[], new Environment(scope));
    let written = "";
    for (const [index, item] of items.entries()) {
      const own = turn(item);
      own.setVariable("loop", loopValue(items, index) as Variable);
      try {
        written += text(this.evaluateBlock(node["body"] as readonly Node[], own));
      } catch (error) {
        if (!(error instanceof LoopControl)) throw error;
        written += error.written;
        if (error.kind === "Break") break;
      }
    }
    return new Text(written);
  }

  override applyFilter(operand: Value, filter: Node, scope: Scope): Value {
    const callee = (filter.type === "CallExpression" ? filter["callee"] : filter) as Node;
    const [given, named] = filter.type === "CallExpression"
      ? this.evaluateArguments(filter["args"] as readonly Node[], scope)
      : [[], new Map<string, Value>()] as const;
    switch (callee["value"]) {
      case "tojson":
        return new Text(jsonText(operand, jsonStyle(named)));
      case "string":
        return new Text(text(operand));
      case "trim":
        return new Text(stripped(text(operand), given[0] && text(given[0])));
      case "join":
        if (named.size > 0 || !Array.isArray(operand.value)) break;
        return new Text((operand.value as readonly Value[]).map(text).join(given[0] ? text(given[0]) : ""));
      case "length":
      case "count":
        if (operand.type === "StringValue") return new Integer(Array.from(operand.value as string).length);
    }
    return super.applyFilter(operand, filter, scope);
  }

  #binary(node: Node, scope: Scope): Value {
    const operator = (node["operator"] as { readonly value: string }).value;
    if (!["==", "!=", "~", "*", "%"].includes(operator)) return super.evaluate(node, scope);
    const [left, right] = [this.evaluate(node["left"] as Node, scope), this.evaluate(node["right"] as Node, scope)];
    if (operator === "~") return new Text(text(left) + text(right));
    if (operator === "==" || operator === "!=") return new Bool(isEqual(left, right) === (operator === "=="));
    if (operator === "*" && left.type === "StringValue" && right.type === "IntegerValue") {
      return new Text((left.value as string).repeat(Math.max(0, right.value as number)));
    }
    if (!isNumber(left) || !isNumber(right)) throw new Error(`cannot compute ${left.type} ${operator} ${right.type}`);
    const isFloat = [left, right].some(({ type }) => type === "FloatValue");
    const [one, other] = [Number(left.value), Number(right.value)];
    // Python's remainder has the sign of the divisor.
    return new (isFloat ? Float : Integer)(operator === "*" ? one * other : one - Math.floor(one / other) * other);
  }

  /** Methods of texts that the library has not, or has in JavaScript's way. */
  #member(node: Node, scope: Scope): Value {
    const name = node["computed"] ? undefined : (node["property"] as { readonly value: unknown }).value;
    if (typeof name !== "string" || !Object.hasOwn(METHODS, name)) return super.evaluate(node, scope);
    const object = this.evaluate(node["object"] as Node, scope);
    if (object.type !== "StringValue") return super.evaluate(node, scope);
    return new Callable((given: readonly Value[]) => METHODS[name]!(object.value as string, given));
  }
}

const METHODS: Readonly<Record<string, (text: string, given: readonly Value[]) => Value>> = {
  strip: (self, [characters]) => new Text(stripped(self, characters && text(characters))),
  lstrip: (self, [characters]) => new Text(stripped(self, characters && text(characters), true, false)),
  rstrip: (self, [characters]) => new Text(stripped(self, characters && text(characters), false, true)),
  join: (self, [items]) => new Text(itemsOf(items!).map(text).join(self)),
};

function isTrue(value: Value): boolean {
  return (value as unknown as { __bool__(): { readonly value: boolean } }).__bool__().value;
}

function itemsOf(value: Value): readonly Value[] {
  if (Array.isArray(value.value)) return value.value as readonly Value[];
  if (value.value instanceof Map) return [...value.value.keys()].map((key) => new Text(key));
  if (value.type === "StringValue") return Array.from(value.value as string, (character) => new Text(character));
  if (value.type === "UndefinedValue") return [];
  throw new Error(`'${value.type}' is not iterable`);
}

function assign(scope: Scope, target: Node, value: Value): void {
  if (target.type !== "TupleLiteral") return void scope.setVariable(target["value"] as string, value as Variable);
  const [names, items] = [target["value"] as readonly Node[], itemsOf(value)];
  if (names.length !== items.length) throw new Error(`${items.length} values for ${names.length} names of a loop`);
  names.forEach((name, index) => assign(scope, name, items[index]!));
}

function loopValue(items: readonly Value[], index: number): Value {
  const last = items.length - 1;
  const fields: Record<string, Value> = {
    index: new Integer(index + 1),
    index0: new Integer(index),
    revindex: new Integer(items.length - index),
    revindex0: new Integer(last - index),
    first: new Bool(index === 0),
    last: new Bool(index === last),
    length: new Integer(items.length),
  };
  if (index > 0) fields["previtem"] = items[index - 1]!;
  if (index < last) fields["nextitem"] = items[index + 1]!;
  return new Dict(new Map(Object.entries(fields)));
}

function jsonStyle(named: ReadonlyMap<string, Value>): JsonStyle {
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
