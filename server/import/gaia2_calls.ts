/** Calls of language models as proxies log them: request and response of OpenAI's and Anthropic's interfaces. */
import { z } from "zod";
import { isJsonObject, type JsonObject } from "../../gpu/model/json.ts";
import type { ChatMessage } from "../../schema/tables/values.ts";
import { parseRecord } from "./parse_record.ts";

const call = z.looseObject({
  seq: z.int().optional(),
  request: z.looseObject({
    model: z.string().nullish(),
    messages: z.array(z.looseObject({ role: z.string() })).default([]),
    system: z.unknown().optional(),
    tools: z.array(z.unknown()).nullish(),
  }),
  raw_response: z.string().optional(),
  response: z.unknown().optional(),
});

export interface LlmCall {
  readonly sequence: number | undefined;
  readonly model: string | undefined;
  readonly messages: readonly ChatMessage[];
  readonly tools: readonly unknown[];
  readonly answer: ChatMessage;
}

/** Throws InputError for a line that is no call; undefined when the call has no messages or no readable answer. */
export function readCall(record: JsonObject, where: string): LlmCall | undefined {
  const { seq, request, raw_response, response } = parseRecord(call, record, where, "a line of trace.jsonl");
  const answer = isJsonObject(response)
    ? turn(textOf(response["content"]), list(response["tool_calls"]))
    : raw_response === undefined
    ? undefined
    : answerOf(raw_response);
  if (answer === undefined || request.messages.length === 0) return undefined;
  const system = textOf(request.system);
  const messages = request.messages.map((one): ChatMessage => ({ ...one, content: textOf(one["content"]) }));
  return {
    sequence: seq,
    model: request.model ?? undefined,
    messages: system === "" ? messages : [{ role: "system", content: system }, ...messages],
    tools: list(request.tools),
    answer,
  };
}

/** The assistant's turn in a response's body: one JSON value, or server-sent events. */
function answerOf(body: string): ChatMessage | undefined {
  const events = body.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim())
    .filter((data) => data !== "" && data !== "[DONE]").map(parsed).filter(isJsonObject);
  if (events.length > 0) return fromEvents(events);
  const json = parsed(body);
  if (!isJsonObject(json)) return undefined;
  const [choice] = list(json["choices"]);
  const message = isJsonObject(choice) ? choice["message"] : json["completion_message"];
  if (isJsonObject(message)) return turn(textOf(message["content"]), list(message["tool_calls"]));
  if (Array.isArray(json["content"])) return fromBlocks(json["content"]);
  if (Array.isArray(json["output"])) return fromOutput(json["output"]);
  return undefined;
}

/** Anthropic's blocks: `text` and `tool_use`. */
function fromBlocks(blocks: readonly unknown[]): ChatMessage {
  const objects = blocks.filter(isJsonObject);
  const calls = objects.filter(({ type }) => type === "tool_use")
    .map(({ id, name, input }) => toolCall(id, name, input));
  return turn(objects.filter(({ type }) => type === "text").map(({ text }) => textOf(text)).join(""), calls);
}

/** OpenAI's Responses: `message` and `function_call`. */
function fromOutput(output: readonly unknown[]): ChatMessage {
  const objects = output.filter(isJsonObject);
  const calls = objects.filter(({ type }) => type === "function_call")
    .map(({ call_id, name, arguments: given }) => toolCall(call_id, name, given));
  return turn(objects.filter(({ type }) => type === "message").map(({ content }) => textOf(content)).join(""), calls);
}

/** Streams of both interfaces: text in pieces, arguments of tool calls in pieces. */
function fromEvents(events: readonly JsonObject[]): ChatMessage {
  let text = "";
  const calls = new Map<number, { id: unknown; name: string; given: string }>();
  const callAt = (index: unknown) => {
    const at = typeof index === "number" ? index : 0;
    const known = calls.get(at) ?? { id: undefined, name: "", given: "" };
    calls.set(at, known);
    return known;
  };
  for (const event of events) {
    const [choice] = list(event["choices"]);
    const delta = isJsonObject(choice) ? choice["delta"] : event["delta"];
    const block = event["content_block"];
    if (isJsonObject(block) && block["type"] === "tool_use") {
      Object.assign(callAt(event["index"]), { id: block["id"], name: textOf(block["name"]) });
    }
    if (!isJsonObject(delta)) continue;
    text += textOf(delta["content"]) + textOf(delta["text"]);
    if (typeof delta["partial_json"] === "string") callAt(event["index"]).given += delta["partial_json"];
    for (const part of list(delta["tool_calls"]).filter(isJsonObject)) {
      const known = callAt(part["index"]);
      const called = isJsonObject(part["function"]) ? part["function"] : {};
      known.id ??= part["id"];
      known.name += textOf(called["name"]);
      known.given += textOf(called["arguments"]);
    }
  }
  return turn(text, [...calls.values()].map(({ id, name, given }) => toolCall(id, name, given)));
}

function turn(content: string, calls: readonly unknown[]): ChatMessage {
  return { role: "assistant", content, ...(calls.length > 0 ? { tool_calls: calls } : {}) };
}

function toolCall(id: unknown, name: unknown, given: unknown): JsonObject {
  return {
    id,
    type: "function",
    function: { name, arguments: typeof given === "string" ? parsed(given) ?? given : given },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  return list(value).filter(isJsonObject).map(({ text, content }) => textOf(text ?? content)).join("");
}
