/**
 * Jinja as transformers runs it. Parser and interpreter are those of @huggingface/jinja; what it does in JavaScript's way
 * is done in Python's here: how values are written and compared, `tojson`, `strip`, loops (a scope for each turn, `break`
 * keeps what was written), `range` with the limit of Jinja's sandbox.
 */
import { Environment, Interpreter, parse, tokenize } from "@huggingface/jinja";
import type { JsonObject } from "./json.ts";
import { FILTERS, formatted, METHODS, multiplied, numeric, ON_ESCAPED } from "./jinja_filters.ts";
import { type JinjaToken, pythonTokens, TUPLE_OF_ONE } from "./jinja_tokens.ts";
import {
  Bool,
  Callable,
  Dict,
  Integer,
  isEqual,
  isTrue,
  itemsOf,
  jsonStyle,
  jsonText,
  runtimeValue,
  Text,
  text,
  type Value,
  type Variable,
} from "./jinja_values.ts";
import { dateText, stripped } from "./python_text.ts";

/** A parsed template. */
export type JinjaTemplate = ReturnType<typeof parse>;

/** Throws Error when it is broken. Line ends become line feeds, as in Jinja. */
export function parseJinja(text: string): JinjaTemplate {
  const tokens = tokenize(text.replaceAll(/\r\n?/g, "\n"), { lstrip_blocks: true, trim_blocks: true });
  return parse(pythonTokens(tokens) as typeof tokens);
}

/** Renders a template with these variables. Throws Error for what it refuses. */
export function renderJinja(template: JinjaTemplate, variables: JsonObject): string {
  const scope = new Environment();
  for (const [name, value] of Object.entries(GLOBALS)) scope.set(name, value);
  scope.setVariable("dict", new Callable(dictOf) as Variable);
  for (const [name, value] of Object.entries(variables)) scope.setVariable(name, runtimeValue(value) as Variable);
  return (new PythonInterpreter(scope).run(template) as { readonly value: unknown }).value as string;
}

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

/** `dict(a=1)`, and of another dict or pairs. */
function dictOf(given: readonly Value[]): Value {
  const named = given.at(-1)?.type === "KeywordArgumentsValue" ? given.at(-1)!.value as ReadonlyMap<string, Value> : [];
  const [first] = given.filter(({ type }) => type !== "KeywordArgumentsValue");
  const entries = first === undefined
    ? []
    : first.value instanceof Map
    ? [...first.value as Map<string, Value>]
    : itemsOf(first).map((pair): [string, Value] => {
      const [key, value, ...more] = itemsOf(pair);
      if (value === undefined || more.length > 0) throw new Error("dict() takes pairs");
      return [text(key!), value];
    });
  return new Dict(new Map([...entries, ...named]));
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
    if (node?.type === KNOWN) return node["known"] as Value;
    if (node?.type === "CallExpression" && (node["callee"] as Node)["value"] === TUPLE_OF_ONE) {
      return super.evaluate({ type: "TupleLiteral", value: node["args"] }, scope);
    }
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
    const name = callee["value"] as string;
    if (operand.escaped && !ON_ESCAPED.has(name)) throw new Error(`${name} of an escaped text is not supported`);
    if (Object.hasOwn(FILTERS, name)) return FILTERS[name]!(operand, given, named, (...args) => this.#compute(...args));
    switch (name) {
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
    const operator = node["operator"] as JinjaToken;
    if (operator.value === "and" || operator.value === "or") return super.evaluate(node, scope);
    const chained = node["left"] as Node;
    const isChain = chained.type === "BinaryExpression" && operator.group !== undefined &&
      (chained["operator"] as JinjaToken).group === operator.group;
    if (isChain) {
      // a < b < c: b is computed once, c only where a < b holds.
      const first = this.#binary(chained, scope);
      if (!isTrue(first)) return first;
      return this.#compute(operator.value, this.#middle!, this.evaluate(node["right"] as Node, scope));
    }
    const [left, right] = [this.evaluate(node["left"] as Node, scope), this.evaluate(node["right"] as Node, scope)];
    return this.#compute(operator.value, left, right);
  }

  /** The right side of the comparison that was computed last. */
  #middle: Value | undefined;

  #compute(operator: string, left: Value, right: Value): Value {
    this.#middle = right;
    if ((left.escaped || right.escaped) && !["==", "!=", "in", "not in"].includes(operator)) {
      throw new Error(`${operator} with an escaped text is not supported`);
    }
    if (operator === "~") return new Text(text(left) + text(right));
    if (operator === "==" || operator === "!=") return new Bool(isEqual(left, right) === (operator === "=="));
    if (operator === "*" && left.type === "StringValue" && right.type === "IntegerValue") {
      return new Text((left.value as string).repeat(Math.max(0, right.value as number)));
    }
    if (operator === "%" && left.type === "StringValue") return formatted(left.value as string, right);
    const [one, other] = [numeric(left, right), numeric(right, left)];
    if (operator === "*" || operator === "%") return multiplied(operator, one, other);
    const known = (value: Value): Node => ({ type: KNOWN, known: value });
    return super.evaluate({
      type: "BinaryExpression",
      operator: { value: operator },
      left: known(one),
      right: known(other),
    }, new Environment());
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

/** A node whose value is there. */
const KNOWN = "(known)";

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
