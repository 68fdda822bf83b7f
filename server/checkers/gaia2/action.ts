/** Actions of GAIA2: a tool call or a final answer, in each of the forms in which traces and models write them. */
import { isJsonObject, type JsonObject } from "../../../gpu/mod.ts";

export type Action =
  /** `tool` as App__function. */
  | { readonly kind: "call"; readonly tool: string; readonly arguments: JsonObject }
  | { readonly kind: "answer"; readonly text: string };

/** Tools that end a turn: their message is the answer. */
const ANSWER_TOOLS: ReadonlySet<string> = new Set([
  "AgentUserInterface__send_message_to_user",
  "send_message_to_user",
  "final_answer",
]);

/**
 * An action from JSON; undefined when it is none. Known forms: an exported action `{app, function, args: [{name, value,
 * value_type}]}`, a recorded event `{app, fn, args: {...}}`, `{action, action_input}` as agents write it,
 * `{name|tool|tool_name, arguments|tool_arguments}` of chat models (arguments may be JSON text), `{function: {name,
 * arguments}}`, `{tool_calls: [...]}` of which the first counts, and `{final_answer}`.
 */
export function readAction(value: unknown): Action | undefined {
  if (!isJsonObject(value)) return undefined;
  if (typeof value["final_answer"] === "string") return { kind: "answer", text: value["final_answer"] };
  if (Array.isArray(value["tool_calls"])) return readAction(value["tool_calls"][0]);
  if (isJsonObject(value["function"])) return readAction(value["function"]);
  if (isJsonObject(value["action"])) return readAction(value["action"]);
  const { app } = value;
  const name = ["function", "fn", "action", "name", "tool", "tool_name"].map((key) => value[key])
    .find((text) => typeof text === "string" && text !== "");
  if (typeof name !== "string") return undefined;
  const tool = (typeof app === "string" && app !== "" ? `${app}__${name}` : name).trim().replace(
    /(?<=\w)\.(?=\w)/,
    "__",
  );
  const given = ["args", "action_input", "arguments", "tool_arguments", "parameters"].map((key) => value[key])
    .find((entry) => entry !== undefined && entry !== null);
  return callOf(tool, given);
}

function callOf(tool: string, given: unknown): Action | undefined {
  const read = typeof given === "string" ? fromJson(given) ?? given : given;
  if (ANSWER_TOOLS.has(tool)) {
    const named = isJsonObject(read) ? read : Array.isArray(read) ? exportedArguments(read) : undefined;
    const text = named ? named["content"] ?? named["answer"] ?? "" : read ?? "";
    return { kind: "answer", text: typeof text === "string" ? text : JSON.stringify(text) };
  }
  if (read === undefined || read === "") return { kind: "call", tool, arguments: {} };
  if (Array.isArray(read)) return { kind: "call", tool, arguments: exportedArguments(read) };
  // Text where arguments belong is a call that no tool would take: it equals nothing but itself.
  return { kind: "call", tool, arguments: isJsonObject(read) ? read : { "": read } };
}

/** Exported arguments are Python's `str()`, or JSON text for lists and dicts; `value_type` tells which. */
function exportedArguments(entries: readonly unknown[]): JsonObject {
  const read: Record<string, unknown> = {};
  for (const entry of entries) {
    if (!isJsonObject(entry) || typeof entry["name"] !== "string") continue;
    const { name, value, value_type: type } = entry;
    read[name] = typeof value === "string" && type !== "str" ? fromPython(value) : value;
  }
  return read;
}

function fromPython(text: string): unknown {
  if (text === "True") return true;
  if (text === "False") return false;
  if (text === "None") return null;
  return fromJson(text) ?? text;
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * The first action of a response, thinking left out: what stands after "Action:", in a `<tool_call>`, in a fenced
 * block, or the whole response as JSON. Any other text is an answer. Undefined when there is nothing, or when an action
 * was begun whose JSON is broken.
 */
export function responseAction(response: string): Action | undefined {
  // A response may begin within the thinking that its prompt opened.
  const text = response.replace(/^[\s\S]*<\/think>/, "").trim();
  if (text === "") return undefined;
  const begun = /(?:^|\n)\s*Action:|<tool_call>/.exec(text);
  if (begun) return readAction(firstObject(text.slice(begun.index + begun[0].length)));
  const fenced = /```(?:json)?\s*(\{[\s\S]*?)```/.exec(text)?.[1];
  for (const whole of [text, fenced]) {
    const action = whole?.trimStart().startsWith("{") ? readAction(firstObject(whole)) : undefined;
    if (action) return action;
  }
  return { kind: "answer", text: text.replace(/^[\s\S]*(?:^|\n)\s*final answer:/i, "").trim() };
}

/** The first JSON object of a text, whatever follows it; undefined when it is not JSON. */
function firstObject(text: string): unknown {
  const start = text.indexOf("{");
  if (start < 0) return undefined;
  let depth = 0;
  let quoted = false;
  for (let at = start; at < text.length; at++) {
    const sign = text[at];
    if (quoted) {
      if (sign === "\\") at++;
      else if (sign === '"') quoted = false;
    } else if (sign === '"') quoted = true;
    else if (sign === "{") depth++;
    else if (sign === "}" && --depth === 0) return fromJson(text.slice(start, at + 1));
  }
  return undefined;
}
