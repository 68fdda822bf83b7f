/**
 * Logs of Inspect (UK AI Security Institute): `.eval`, a zip with a file for each sample, and `.json`. The completion is
 * the last turn of the assistant, the chat before it the prompt. Written from logs of inspect_ai 0.3.285.
 */
import { z } from "zod";
import { isJsonObject, type JsonObject } from "../../gpu/mod.ts";
import type { ChatMessage, CheckItem } from "../../schema/tables/values.ts";
import { canonicalHash } from "../base/canonical_hash.ts";
import { checkItemOf, phrasesOf } from "../benchmarks/items.ts";
import type { FileFacts, Format, FoundRecord, Logged, RecordSource } from "./format.ts";
import { readJsonFile } from "./json_file.ts";
import { parseRecord, parseText } from "./parse_record.ts";
import { readMessages, wrongShapeAt } from "./prompt_shapes.ts";
import { loggedOf } from "./scores.ts";
import { openZip } from "./zip_file.ts";

const sample = z.looseObject({
  eval: z.looseObject({ model: z.string().default(""), task: z.string().default("") }),
  sample: z.looseObject({
    id: z.union([z.string(), z.int()]),
    epoch: z.int().default(1),
    input: z.unknown().optional(),
    messages: z.array(z.unknown()).default([]),
    output: z.looseObject({ choices: z.array(z.unknown()).default([]) }).nullish(),
    scores: z.record(z.string(), z.unknown()).nullish(),
    target: z.unknown().optional(),
    metadata: z.record(z.string(), z.unknown()).nullish(),
    attachments: z.record(z.string(), z.string()).default({}),
  }),
});

export const inspect: Format = {
  accepts: (name) => /\.eval$|(?:^|\/)\d{4}-\d{2}-\d{2}T[^/]*\.json$/.test(name),
  recordsNameModels: true,
  records: (file) => file.kind === "zip" ? zippedSamples(file) : jsonSamples(file),
  read: (record, where, facts) => [readSample(record, where, facts)],
};

/** The samples of an `.eval` file; a run that broke off has no header, but its beginning. */
async function* zippedSamples({ path, name }: RecordSource): AsyncGenerator<FoundRecord> {
  const zip = await openZip(path, name);
  try {
    const head = ["header.json", "_journal/start.json"].find((one) => zip.names.includes(one));
    const header = head === undefined ? {} : parseText(await zip.text(head), `${name}/${head}`);
    const samples = zip.names.filter((one) => one.startsWith("samples/") && one.endsWith(".json"));
    for (const [index, one] of samples.entries()) {
      const where = `${name}/${one}`;
      yield { ...foundIn(header, parseText(await zip.text(one), where)), where, index, count: samples.length };
    }
  } finally {
    zip.close();
  }
}

async function* jsonSamples({ path, name }: RecordSource): AsyncGenerator<FoundRecord> {
  const log = await readJsonFile(path, name);
  const samples = isJsonObject(log) && Array.isArray(log["samples"]) ? log["samples"] : [];
  for (const [index, one] of samples.entries()) {
    yield { ...foundIn(log, one), where: `${name}:${index + 1}`, index, count: samples.length };
  }
}

/** Older headers stand at the top. Events repeat what the sample says, at great length. */
function foundIn(header: unknown, one: unknown): Pick<FoundRecord, "text"> {
  const head = isJsonObject(header) ? isJsonObject(header["eval"]) ? header["eval"] : header : {};
  const { events: _events, events_data: _data, ...kept } = isJsonObject(one) ? one : { value: one };
  return { text: JSON.stringify({ eval: { model: head["model"], task: head["task"] }, sample: kept }) };
}

function readSample(record: unknown, where: string, facts: FileFacts): Logged {
  const { eval: run, sample: one } = parseRecord(sample, record, where, "a sample of Inspect");
  const wrong = wrongShapeAt(where);
  const attached = (value: unknown) => withAttachments(value, one.attachments);
  const given = one.messages.length > 0
    ? one.messages
    : Array.isArray(one.input)
    ? one.input
    : [{ role: "user", content: one.input }];
  const chat = readMessages(given.map((message) => messageOf(attached(message))), wrong, "messages");
  const answered = one.output?.choices[0];
  const last = chat.findLastIndex(({ role }) => role === "assistant");
  const said = last >= 0 && one.messages.length > 0
    ? chat[last]
    : isJsonObject(answered) && isJsonObject(answered["message"])
    ? readMessages([messageOf(attached(answered["message"]))], wrong, "output.choices[0].message")[0]
    : undefined;
  if (said === undefined) return { kind: "skipped", reason: "no_answer" };
  const messages = last >= 0 && one.messages.length > 0 ? chat.slice(0, last) : chat;
  const task = String(one.id);
  const known = facts.items?.find(task) ?? facts.items?.find(questionOf(messages));
  return {
    kind: "response",
    response: {
      model: run.model === "" ? undefined : run.model.replace(/^[^/]+\/(?=.)/, ""),
      benchmark: facts.benchmark === "inspect" ? run.task.split("/").at(-1) || "inspect" : facts.benchmark,
      task,
      docHash: canonicalHash({ id: one.id, target: one.target ?? null }),
      promptHash: canonicalHash(messages),
      filter: "none",
      ...(one.epoch > 1 ? { sample: String(one.epoch) } : {}),
      prompt: { kind: "chat", messages },
      completion: completionOf(said),
      item: itemOf(known, one.metadata ?? {}, messages),
      logged: loggedOf(valuesOf(one.scores ?? {})),
      instructionPhrases: phrasesOf(known ?? one.metadata ?? undefined),
      metadata: { from: "inspect", target: one.target ?? null, epoch: one.epoch },
    },
  };
}

const questionOf = (messages: readonly ChatMessage[]): string =>
  messages.findLast(({ role }) => role === "user")?.content ?? "";

/** A turn that only says something is its text. */
const completionOf = (turn: ChatMessage): string | ChatMessage =>
  turn["tool_calls"] === undefined && turn["reasoning_content"] === undefined ? turn.content : turn;

function itemOf(
  known: JsonObject | undefined,
  metadata: JsonObject,
  messages: readonly ChatMessage[],
): CheckItem | null {
  return checkItemOf(known ?? { prompt: questionOf(messages), ...metadata });
}

/** Scores by their scorers, without the explanations. */
function valuesOf(scores: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(scores).map(([name, score]) => [name, isJsonObject(score) ? score["value"] ?? null : score]),
  );
}

/** A message in the words of OpenAI's: its calls name their tool beside their arguments, thoughts are parts. */
function messageOf(message: unknown): unknown {
  if (!isJsonObject(message)) return message;
  const { tool_calls: calls, content } = message;
  const parts = Array.isArray(content) ? content.filter(isJsonObject) : [];
  const thoughts = parts.filter(({ type }) => type === "reasoning").map(({ reasoning }) => String(reasoning ?? ""));
  return {
    ...message,
    ...(parts.length > 0 ? { content: parts.filter(({ type }) => type !== "reasoning") } : {}),
    ...(thoughts.length > 0 ? { reasoning_content: thoughts.join("\n") } : {}),
    tool_calls: Array.isArray(calls)
      ? calls.map((call) =>
        isJsonObject(call) && typeof call["function"] === "string"
          ? { id: call["id"], name: call["function"], arguments: call["arguments"] }
          : call
      )
      : undefined,
  };
}

const ATTACHMENT = "attachment://";

/** Long texts stand once in a sample, and are named where they belong. */
function withAttachments(value: unknown, attachments: Readonly<Record<string, string>>): unknown {
  if (typeof value === "string") {
    return value.startsWith(ATTACHMENT) ? attachments[value.slice(ATTACHMENT.length)] ?? value : value;
  }
  if (Array.isArray(value)) return value.map((one) => withAttachments(one, attachments));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, withAttachments(one, attachments)]));
}
