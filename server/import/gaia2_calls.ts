/** Calls of language models as proxies log them (`trace.jsonl`): request and response of the known interfaces. */
import { z } from "zod";
import { isJsonObject, type JsonObject } from "../../gpu/mod.ts";
import type { ChatMessage } from "../../schema/tables/values.ts";
import { parseRecord } from "./parse_record.ts";
import { readMessages, readRequest, wrongShapeAt } from "./prompt_shapes.ts";
import { readReply } from "./reply_shapes.ts";

const call = z.looseObject({
  seq: z.int().optional(),
  http_status: z.number().nullish(),
  request: z.looseObject({ model: z.string().nullish() }),
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

/**
 * Throws InputError for a line that is no call, or whose bodies are not understood; undefined when the call has no
 * messages, or was answered with an error.
 */
export function readCall(record: JsonObject, where: string): LlmCall | undefined {
  const { seq, http_status: status, request, raw_response, response } = parseRecord(
    call,
    record,
    where,
    "a line of trace.jsonl",
  );
  if ((status ?? 200) >= 400) return undefined;
  const wrong = wrongShapeAt(where);
  const answer = isJsonObject(response)
    ? readMessages([{ ...response, role: "assistant" }], wrong, "response")[0]
    : raw_response === undefined
    ? undefined
    : readReply(raw_response, wrong, "raw_response");
  if (answer === undefined) return undefined;
  const { messages, tools } = readRequest(request, wrong, "request");
  if (messages.length === 0) return undefined;
  return { sequence: seq, model: request.model ?? undefined, messages, tools, answer };
}
