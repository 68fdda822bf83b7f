/** `culprit tokenize`: ids and tokens of texts or conversations, line by line. */
import {
  type ChatMessage,
  InputError,
  isJsonObject,
  loadTokenizer,
  parseExactJson,
  parseJson,
  type Tokenizer,
} from "../../gpu/mod.ts";
import { type Line, readLines } from "./lines.ts";
import { MODEL_OPTIONS, requiredModel } from "./locate.ts";
import { requiredText, type Verb, type VerbContext } from "./verb.ts";

export const verb: Verb = {
  name: "tokenize",
  summary: "Turns JSON lines of text or messages on standard input into token ids",
  usage: "tokenize --model MODEL [--chat] [--json] < LINES",
  example: `echo '{"text":"Hello"}' | npx culprit tokenize --model models/demo-1m --json`,
  options: {
    ...MODEL_OPTIONS,
    chat: { type: "boolean", help: 'lines are {"messages":[...]}, written by the chat template with thinking off' },
  },
  run,
};

const STDIN = "<stdin>";

async function run(context: VerbContext): Promise<void> {
  requiredText(context, verb, "model");
  if (context.positionals.length > 0) {
    throw new InputError(
      `${JSON.stringify(context.positionals[0])} is not an option`,
      "culprit tokenize",
      "give the texts as JSON lines on standard input",
    );
  }
  const tokenizer = await loadTokenizer(await requiredModel(context, verb));
  const chat = context.values["chat"] === true;
  for await (const line of readLines(context.stdin, STDIN, context.signal)) {
    if (line.text.trim() === "") continue;
    const text = chat ? conversation(tokenizer, line) : plainText(line);
    const ids = tokenizer.encode(text);
    const tokens = ids.map(tokenizer.token);
    await context.out(context.json ? `${JSON.stringify({ ids, tokens })}\n` : describe(ids, tokens));
  }
}

function plainText(line: Line): string {
  const json = parseJson(line.text, STDIN, line.number);
  if (isJsonObject(json) && typeof json["text"] === "string") return json["text"];
  throw new InputError('has no "text"', `${STDIN}:${line.number}`, 'give {"text":"..."}, or use --chat for messages');
}

function conversation(tokenizer: Tokenizer, line: Line): string {
  const where = `${STDIN}:${line.number}`;
  parseJson(line.text, STDIN, line.number);
  // Broken JSON is refused above, with its place. Numbers and the order of keys stay as they stand in the line.
  const json = parseExactJson(line.text);
  const { messages, tools } = isJsonObject(json) ? json : {};
  if (!Array.isArray(messages) || messages.length === 0 || !messages.every(isMessage)) {
    throw new InputError(
      'has no "messages" with a role and a content each',
      where,
      'give {"messages":[{"role":"user","content":"..."}]}',
    );
  }
  try {
    return tokenizer.chat(messages, Array.isArray(tools) ? { tools } : {});
  } catch (error) {
    // The template's own complaint is about this line.
    if (error instanceof InputError) throw new InputError(`${error.what} (${error.where})`, where, error.mend);
    throw error;
  }
}

function isMessage(value: unknown): value is ChatMessage {
  return isJsonObject(value) && typeof value["role"] === "string" &&
    (value["content"] == null || typeof value["content"] === "string");
}

function describe(ids: readonly number[], tokens: readonly string[]): string {
  const listed = ids.map((id, index) => `${String(id).padStart(8)}  ${JSON.stringify(tokens[index])}\n`);
  return `${ids.length} tokens\n${listed.join("")}`;
}
