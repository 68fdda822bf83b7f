/**
 * The assistant's turn in the body of a response: OpenAI's chats and Responses, Anthropic's and Google's, each as one JSON
 * value or as server-sent events, and bodies with a `completion_message`.
 */
import { isJsonObject, type JsonObject } from "../../gpu/mod.ts";
import type { ChatMessage } from "../../schema/tables/values.ts";
import { readMessages, readParts, toolCall, type WrongShape } from "./prompt_shapes.ts";

/**
 * The turn; undefined where the body reports an error and no model answered. Throws InputError, by `wrong`, for a body
 * that is not understood.
 */
export function readReply(body: string | JsonObject, wrong: WrongShape, place: string): ChatMessage | undefined {
  if (typeof body !== "string") return turnOf(body, wrong, place);
  const events = body.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim())
    .filter((data) => data !== "" && data !== "[DONE]");
  if (events.length > 0) return fromEvents(events.map(parsed).filter(isJsonObject), wrong, place);
  const json = parsed(body);
  // Google streams a list of chunks where no events were asked for.
  if (Array.isArray(json)) return fromChunks(json.filter(isJsonObject), wrong, place);
  if (!isJsonObject(json)) throw wrong(place, "the response is neither JSON nor server-sent events");
  return turnOf(json, wrong, place);
}

function turnOf(json: JsonObject, wrong: WrongShape, place: string): ChatMessage | undefined {
  const [choice] = listOf(json["choices"]);
  const message = isJsonObject(choice) ? choice["message"] : json["completion_message"];
  if (isJsonObject(message)) {
    return oneTurn(readMessages([{ ...message, role: "assistant" }], wrong, `${place} (message)`), wrong, place);
  }
  if (isJsonObject(choice) && typeof choice["text"] === "string") return turn(choice["text"], []);
  if (Array.isArray(json["content"])) {
    const blocks = [{ role: "assistant", content: json["content"] }];
    return oneTurn(readMessages(blocks, wrong, place), wrong, place);
  }
  if (Array.isArray(json["output"])) {
    return oneTurn(readMessages(json["output"], wrong, `${place} (output)`), wrong, place);
  }
  if (Array.isArray(json["candidates"])) return fromChunks([json], wrong, place);
  if (json["error"] !== undefined && json["error"] !== null) return undefined;
  throw wrong(place, "the response holds neither choices, content, output, nor candidates");
}

/** A response is one turn; its items were put together. */
function oneTurn(messages: readonly ChatMessage[], wrong: WrongShape, place: string): ChatMessage | undefined {
  if (messages.length > 1) throw wrong(place, `the response holds ${messages.length} turns`);
  return messages[0];
}

/** Google's chunks: what their candidates say, one after another. */
function fromChunks(chunks: readonly JsonObject[], wrong: WrongShape, place: string): ChatMessage | undefined {
  const parts = chunks.flatMap((chunk) => {
    const [candidate] = listOf(chunk["candidates"]);
    const content = isJsonObject(candidate) ? candidate["content"] : undefined;
    return isJsonObject(content) ? listOf(content["parts"]) : [];
  });
  if (parts.length === 0) return undefined;
  return oneTurn(readParts(parts, "assistant", wrong, `${place} (candidates)`), wrong, place);
}

/** Streams: each interface names its events in its own way. */
function fromEvents(events: readonly JsonObject[], wrong: WrongShape, place: string): ChatMessage | undefined {
  if (events.some((event) => Array.isArray(event["candidates"]))) return fromChunks(events, wrong, place);
  if (events.some((event) => String(event["type"] ?? "").startsWith("response."))) {
    return fromResponseEvents(events, wrong, place);
  }
  const known = (event: JsonObject) => Array.isArray(event["choices"]) || MESSAGE_EVENTS.has(String(event["type"]));
  if (events.some(known)) return fromDeltas(events);
  if (events.some((event) => event["error"] !== undefined)) return undefined;
  throw wrong(place, "the stream's events are of no known interface");
}

/** Events of Anthropic's stream that carry a message. */
const MESSAGE_EVENTS: ReadonlySet<string> = new Set([
  "message_start",
  "content_block_start",
  "content_block_delta",
  "content_block_stop",
  "message_delta",
  "message_stop",
]);

/** Responses: the whole output stands in the last event; of a stream that broke off, the items that were done. */
function fromResponseEvents(events: readonly JsonObject[], wrong: WrongShape, place: string): ChatMessage | undefined {
  const ended = events.findLast(({ type }) => type === "response.completed" || type === "response.incomplete");
  const response = ended?.["response"];
  const output = isJsonObject(response) ? listOf(response["output"]) : [];
  const done = events.filter(({ type }) => type === "response.output_item.done").map(({ item }) => item);
  const items = output.length > 0 ? output : done;
  if (items.length > 0) return oneTurn(readMessages(items, wrong, `${place} (output)`), wrong, place);
  const text = events.filter(({ type }) => type === "response.output_text.delta").map(({ delta }) => String(delta));
  return text.length === 0 ? undefined : turn(text.join(""), []);
}

/** OpenAI's chats and Anthropic's messages: text in pieces, arguments of calls in pieces. */
function fromDeltas(events: readonly JsonObject[]): ChatMessage {
  let text = "";
  let thought = "";
  const calls = new Map<number, { id: unknown; name: string; given: string }>();
  const callAt = (index: unknown) => {
    const at = typeof index === "number" ? index : 0;
    const known = calls.get(at) ?? { id: undefined, name: "", given: "" };
    calls.set(at, known);
    return known;
  };
  for (const event of events) {
    const [choice] = listOf(event["choices"]);
    const delta = isJsonObject(choice) ? choice["delta"] : event["delta"];
    const block = event["content_block"];
    if (isJsonObject(block) && block["type"] === "tool_use") {
      Object.assign(callAt(event["index"]), { id: block["id"], name: plain(block["name"]) });
    }
    if (!isJsonObject(delta)) continue;
    text += plain(delta["content"]) + plain(delta["text"]);
    thought += plain(delta["reasoning_content"] ?? delta["reasoning"]) + plain(delta["thinking"]);
    if (typeof delta["partial_json"] === "string") callAt(event["index"]).given += delta["partial_json"];
    for (const part of listOf(delta["tool_calls"]).filter(isJsonObject)) {
      const known = callAt(part["index"]);
      const called = isJsonObject(part["function"]) ? part["function"] : {};
      known.id ??= part["id"];
      known.name += plain(called["name"]);
      known.given += plain(called["arguments"]);
    }
  }
  return turn(
    text,
    [...calls.values()].map(({ id, name, given }) => toolCall(id, name, given === "" ? {} : given)),
    thought,
  );
}

function turn(content: string, calls: readonly unknown[], thought = ""): ChatMessage {
  return {
    role: "assistant",
    content,
    ...(thought === "" ? {} : { reasoning_content: thought }),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
  };
}

const plain = (value: unknown): string => typeof value === "string" ? value : "";

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
