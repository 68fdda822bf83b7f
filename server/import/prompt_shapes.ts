/**
 * Prompts in the shapes in which logs hold them, as our messages: chats and request bodies of OpenAI's two interfaces,
 * Anthropic's and Google's, JSON of messages inside text, and plain text. A shape that is not understood is an error with
 * its place: text made out of it would be a prompt that no model has read.
 */
import { InputError, isJsonObject, type JsonObject, parseExactJson } from "../../gpu/mod.ts";
import type { ChatMessage } from "../../schema/tables/values.ts";
import type { LoggedPrompt } from "./format.ts";

/** A chat and the tools that it may call, as chat templates take them. */
export interface Conversation {
  readonly messages: readonly ChatMessage[];
  readonly tools: readonly unknown[];
}

/** What is wrong at a place inside a record. */
export type WrongShape = (place: string, what: string) => InputError;

/** Errors at a record: `place` is the path to the part that is not understood. */
export function wrongShapeAt(where: string): WrongShape {
  return (place, what) =>
    new InputError(
      `${place}: ${what}`,
      where,
      "give text, messages with role and content, or a request as OpenAI, Anthropic or Google take it",
    );
}

/**
 * A prompt from any known shape: text (a user's message), JSON of messages in text, a list with one such text, a list of
 * messages, or the body of a request. `place` names it in errors, such as `arguments.gen_args_0.arg_0`.
 */
export function readPrompt(value: unknown, where: string, place: string): LoggedPrompt {
  const wrong = wrongShapeAt(where);
  const given = Array.isArray(value) && value.length === 1 && typeof value[0] === "string" ? value[0] : value;
  if (typeof given === "string") {
    const messages = messagesInText(given);
    if (messages !== undefined) return chatOf({ messages: readMessages(messages, wrong, place), tools: [] });
    if (given === value) return { kind: "user", text: given };
    throw wrong(place, "a list with one text that holds no messages");
  }
  if (Array.isArray(value)) return chatOf({ messages: readMessages(value, wrong, place), tools: [] });
  if (isJsonObject(value)) return chatOf(readRequest(value, wrong, place));
  throw wrong(place, `${value === null ? "null" : `a ${typeof value}`} where a prompt belongs`);
}

function chatOf({ messages, tools }: Conversation): LoggedPrompt {
  return { kind: "chat", messages, ...(tools.length > 0 ? { tools } : {}) };
}

/** The list of messages that a text holds as JSON; undefined for any other text. */
function messagesInText(text: string): readonly unknown[] | undefined {
  if (!/^\s*\[\s*\{/.test(text)) return undefined;
  try {
    const list: unknown = JSON.parse(text);
    const chat = Array.isArray(list) && list.every((one) => isJsonObject(one) && typeof one["role"] === "string");
    return chat ? list : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The chat of a request's body: `messages` (OpenAI's chats; Anthropic's, with `system`), `input` (OpenAI's Responses,
 * with `instructions`), `contents` (Google's, with `systemInstruction`). Throws InputError for any other.
 */
export function readRequest(body: JsonObject, wrong: WrongShape, place: string): Conversation {
  const at = (field: string) => place === "" ? field : `${place}.${field}`;
  const system = (field: string, given: unknown): ChatMessage[] => {
    const content = given === undefined || given === null ? "" : textOf(given, wrong, at(field));
    return content === "" ? [] : [{ role: "system", content }];
  };
  const tools = readTools(body["tools"], wrong, at("tools"));
  if (Array.isArray(body["messages"])) {
    const before = system("system", body["system"]);
    return { messages: [...before, ...readMessages(body["messages"], wrong, at("messages"))], tools };
  }
  const { input } = body;
  if (typeof input === "string" || Array.isArray(input)) {
    const before = system("instructions", body["instructions"]);
    const said = typeof input === "string"
      ? [{ role: "user", content: input }]
      : readMessages(input, wrong, at("input"));
    return { messages: [...before, ...said], tools };
  }
  if (Array.isArray(body["contents"])) {
    const given = body["systemInstruction"] ?? body["system_instruction"];
    const before = system("systemInstruction", isJsonObject(given) ? given["parts"] : given);
    return { messages: [...before, ...readContents(body["contents"], wrong, at("contents"))], tools };
  }
  throw wrong(place === "" ? "the request" : place, "it holds neither messages, nor input, nor contents");
}

/**
 * Messages of OpenAI's chats, Anthropic's, and items of OpenAI's Responses. Blocks that call tools become `tool_calls`,
 * their results messages of the role `tool`, thinking `reasoning_content`: what chat templates read.
 */
export function readMessages(list: readonly unknown[], wrong: WrongShape, place: string): ChatMessage[] {
  const messages: ChatMessage[] = [];
  const add = (message: ChatMessage): void => {
    const last = messages.at(-1);
    // Responses write what one turn says, thinks and calls as items of their own.
    if (message[ITEM] === true && last?.[ITEM] === true && last.role === "assistant" && message.role === "assistant") {
      messages[messages.length - 1] = joined(last, message);
    } else messages.push(message);
  };
  list.forEach((one, index) => {
    const here = `${place}[${index}]`;
    if (!isJsonObject(one)) throw wrong(here, "it is no message");
    if (typeof one["role"] === "string") {
      for (const message of readMessage(one, one["role"], wrong, here)) add(message);
    } else add(readItem(one, wrong, here));
  });
  return messages.map(({ [ITEM]: _item, ...message }) => message as ChatMessage);
}

/** Marks messages that came as items of Responses, while they are put together. */
const ITEM = "\0item";

function joined(a: ChatMessage, b: ChatMessage): ChatMessage {
  const calls = [...listOf(a["tool_calls"]), ...listOf(b["tool_calls"])];
  return { ...a, ...b, content: a.content + b.content, ...(calls.length > 0 ? { tool_calls: calls } : {}) };
}

/** What a template reads of a message beside role and content; other fields are notes of whoever logged it. */
const READ_FIELDS = ["name", "tool_call_id", "reasoning_content"];

/** Roles of other interfaces in the words of chat templates. */
const ROLES: Readonly<Record<string, string>> = { developer: "system", model: "assistant", function: "tool" };

function readMessage(one: JsonObject, given: string, wrong: WrongShape, place: string): ChatMessage[] {
  const role = ROLES[given] ?? given;
  const kept = Object.fromEntries(
    READ_FIELDS.filter((field) => typeof one[field] === "string").map((field) => [field, one[field]]),
  );
  const calls = listOf(one["tool_calls"]).map((call, index) => readCall(call, wrong, `${place}.tool_calls[${index}]`));
  const item = one["type"] === "message" ? { [ITEM]: true } : {};
  const { content } = one;
  const blocks = Array.isArray(content) ? content : [];
  const uses = blocks.some((block) => isJsonObject(block) && BLOCKS.has(String(block["type"])));
  if (uses) return readBlocks(blocks, { ...kept, role, content: "" }, wrong, `${place}.content`);
  const text = content === null || content === undefined ? "" : textOf(content, wrong, `${place}.content`);
  return [{ ...kept, role, content: text, ...(calls.length > 0 ? { tool_calls: calls } : {}), ...item }];
}

/** Blocks of Anthropic's messages that are more than text. */
const BLOCKS: ReadonlySet<string> = new Set(["tool_use", "tool_result", "thinking"]);

/** A message of blocks: results of tools are messages before what else the turn says. */
function readBlocks(
  blocks: readonly unknown[],
  message: ChatMessage,
  wrong: WrongShape,
  place: string,
): ChatMessage[] {
  const results: ChatMessage[] = [];
  const calls: JsonObject[] = [];
  const texts: string[] = [];
  const thoughts: string[] = [];
  blocks.forEach((block, index) => {
    const here = `${place}[${index}]`;
    if (!isJsonObject(block)) return void texts.push(textOf(block, wrong, here));
    switch (block["type"]) {
      case "tool_use":
        return void calls.push(toolCall(block["id"], block["name"], block["input"]));
      case "tool_result": {
        const content = block["content"] === undefined ? "" : textOf(block["content"], wrong, `${here}.content`);
        return void results.push({ role: "tool", tool_call_id: block["tool_use_id"], content });
      }
      case "thinking":
        return void thoughts.push(textOf(block["thinking"], wrong, `${here}.thinking`));
      default:
        return void texts.push(textOf([block], wrong, here));
    }
  });
  const content = texts.join("");
  const empty = content === "" && calls.length === 0 && thoughts.length === 0;
  if (empty && results.length > 0) return results;
  return [...results, {
    ...message,
    content,
    ...(thoughts.length > 0 ? { reasoning_content: thoughts.join("\n") } : {}),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
  }];
}

/** An item of Responses that is no message. */
function readItem(item: JsonObject, wrong: WrongShape, place: string): ChatMessage {
  switch (item["type"]) {
    case "function_call":
      return {
        role: "assistant",
        content: "",
        tool_calls: [toolCall(item["call_id"], item["name"], item["arguments"])],
        [ITEM]: true,
      };
    case "function_call_output":
      return { role: "tool", tool_call_id: item["call_id"], content: textOf(item["output"], wrong, `${place}.output`) };
    case "reasoning": {
      const thought = listOf(item["content"]).length > 0 ? item["content"] : item["summary"];
      return {
        role: "assistant",
        content: "",
        reasoning_content: textOf(thought ?? "", wrong, place),
        [ITEM]: true,
      };
    }
    default:
      throw wrong(place, `it has no role, and its type is ${JSON.stringify(item["type"] ?? null)}`);
  }
}

/** Google's contents: `{role, parts}`, with calls and results of functions among the parts. */
function readContents(contents: readonly unknown[], wrong: WrongShape, place: string): ChatMessage[] {
  return contents.flatMap((one, index) => {
    const here = `${place}[${index}]`;
    if (!isJsonObject(one) || !Array.isArray(one["parts"])) throw wrong(here, "it has no parts");
    const role = typeof one["role"] === "string" ? ROLES[one["role"]] ?? one["role"] : "user";
    return readParts(one["parts"], role, wrong, `${here}.parts`);
  });
}

/** The messages that the parts of one of Google's turns are: results first, as they come. */
export function readParts(parts: readonly unknown[], role: string, wrong: WrongShape, place: string): ChatMessage[] {
  const results: ChatMessage[] = [];
  const calls: JsonObject[] = [];
  const texts: string[] = [];
  const thoughts: string[] = [];
  parts.forEach((part, index) => {
    const here = `${place}[${index}]`;
    if (!isJsonObject(part)) throw wrong(here, "it is no part");
    const call = part["functionCall"] ?? part["function_call"];
    const result = part["functionResponse"] ?? part["function_response"];
    if (isJsonObject(call)) calls.push(toolCall(call["id"] ?? call["name"], call["name"], call["args"] ?? {}));
    else if (isJsonObject(result)) {
      const { response } = result;
      results.push({
        role: "tool",
        tool_call_id: result["id"] ?? result["name"],
        name: result["name"],
        content: typeof response === "string" ? response : JSON.stringify(response ?? {}),
      });
    } else if (typeof part["text"] === "string") (part["thought"] === true ? thoughts : texts).push(part["text"]);
    else throw wrong(here, `it is no text: ${Object.keys(part).join(", ") || "empty"}`);
  });
  if (texts.length + calls.length + thoughts.length === 0 && results.length > 0) return results;
  return [...results, {
    role,
    content: texts.join(""),
    ...(thoughts.length > 0 ? { reasoning_content: thoughts.join("") } : {}),
    ...(calls.length > 0 ? { tool_calls: calls } : {}),
  }];
}

/** Tools as chat templates take them, from the forms of the four interfaces. */
function readTools(given: unknown, wrong: WrongShape, place: string): unknown[] {
  if (given === undefined || given === null) return [];
  if (!Array.isArray(given)) throw wrong(place, "it is no list of tools");
  return given.flatMap((tool, index) => {
    if (!isJsonObject(tool)) throw wrong(`${place}[${index}]`, "it is no tool");
    const declared = tool["functionDeclarations"] ?? tool["function_declarations"];
    if (Array.isArray(declared)) return declared.map((one) => ({ type: "function", function: one }));
    const { input_schema: schema, ...rest } = tool;
    if (schema !== undefined) {
      return [{
        type: "function",
        function: { name: rest["name"], description: rest["description"], parameters: schema },
      }];
    }
    if (tool["type"] === "function" && tool["function"] === undefined && typeof tool["name"] === "string") {
      const { type, ...described } = tool;
      return [{ type, function: described }];
    }
    return [tool];
  });
}

function readCall(call: unknown, wrong: WrongShape, place: string): JsonObject {
  if (!isJsonObject(call)) throw wrong(place, "it is no call of a tool");
  const called = isJsonObject(call["function"]) ? call["function"] : call;
  if (typeof called["name"] !== "string") throw wrong(place, "the call names no tool");
  return toolCall(call["id"], called["name"], called["arguments"]);
}

/** A call as chat templates read it: arguments as an object, where their text is JSON. */
export function toolCall(id: unknown, name: unknown, given: unknown): JsonObject {
  let read = given;
  if (typeof given === "string") {
    try {
      read = parseExactJson(given);
    } catch { /* then the text is what the model wrote */ }
  }
  return { ...(id === undefined ? {} : { id }), type: "function", function: { name, arguments: read } };
}

/**
 * Text from content: text itself, or parts that are text (`text`, `input_text`, `output_text`, `reasoning_text`,
 * `summary_text`, Google's parts). Throws InputError for images, sounds and whatever else is no text.
 */
export function textOf(content: unknown, wrong: WrongShape, place: string): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) {
    if (isJsonObject(content) && typeof content["text"] === "string") return content["text"];
    throw wrong(place, "it is neither text nor a list of parts");
  }
  return content.map((part, index) => {
    if (typeof part === "string") return part;
    if (isJsonObject(part) && typeof part["text"] === "string") return part["text"];
    if (isJsonObject(part) && typeof part["refusal"] === "string") return part["refusal"];
    const type = isJsonObject(part) ? part["type"] : typeof part;
    throw wrong(`${place}[${index}]`, `a part of type ${JSON.stringify(type ?? null)} is no text`);
  }).join("");
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
