/**
 * Answers to MATH: JSON Lines or a list of `{answer, prediction}`, with `problem` and the model's whole output
 * (`completion`, `response` or `output`) where the file has them. `prediction` is the final answer, in `\boxed{}` or
 * without, null where none was found.
 */
import { basename } from "node:path";
import { z } from "zod";
import { InputError } from "../../gpu/mod.ts";
import { canonicalHash, textHash } from "../base/canonical_hash.ts";
import type { FileFacts, Format } from "./format.ts";
import { phrasesOf } from "../benchmarks/items.ts";
import { goldNumber } from "../checkers/gsm8k.ts";
import { finalAnswer } from "../checkers/math.ts";
import { parseRecord } from "./parse_record.ts";

const name = z.union([z.string(), z.int()]).optional();
const row = z.looseObject({
  answer: z.union([z.string(), z.number()]),
  prediction: z.union([z.string(), z.number()]).nullish(),
  completion: z.string().optional(),
  response: z.string().optional(),
  output: z.string().optional(),
  problem: z.string().optional(),
  prompt: z.string().optional(),
  unique_id: name,
  id: name,
  model: z.string().optional(),
  correct: z.boolean().optional(),
  passed: z.boolean().optional(),
});

export const math: Format = {
  accepts: (file) => /\.jsonl?$/.test(file),
  modelNames: (_path, file) => Promise.resolve([basename(file).replace(/\.jsonl?$/, "").replaceAll("__", "/")]),
  recordsNameModels: true,
  read: (record, where, facts, ordinal) => {
    const line = parseRecord(row, record, where, "an answer to MATH");
    const { prediction } = line;
    const said = line.completion ?? line.response ?? line.output;
    if (said === undefined && prediction === undefined) {
      throw new InputError("there is no answer of the model", where, "give prediction, completion, response or output");
    }
    const extracted = prediction === undefined || prediction === null ? prediction : String(prediction);
    const answer = String(line.answer);
    const number = goldNumber(answer);
    const id = line.unique_id ?? line.id;
    const known = itemOf(facts, id, line.problem, answer, ordinal);
    const problem = line.problem ?? known?.["problem"];
    const prompt = line.prompt ?? (typeof problem === "string" ? problem : undefined);
    const passed = line.passed ?? line.correct;
    const task = String(id ?? ordinal);
    return [{
      kind: "response",
      response: {
        model: line.model,
        benchmark: facts.benchmark,
        task: String(id ?? known?.["unique_id"] ?? known?.["id"] ?? ordinal),
        label: task,
        // Answers of a list without names are told apart by their place.
        docHash: canonicalHash({ task, answer }),
        promptHash: textHash(prompt ?? ""),
        filter: "none",
        prompt: prompt === undefined ? { kind: "unknown" } : { kind: "user", text: prompt },
        completion: said ?? extracted ?? "",
        item: number === undefined ? { kind: "math", answer, convention: "any" } : { kind: "gsm8k", answer: number },
        ...(extracted === undefined ? {} : { finalAnswer: boxedIn(extracted) }),
        logged: passed === undefined ? null : { passed, detail: { passed } },
        instructionPhrases: phrasesOf(known),
        metadata: { from: "math" },
      },
    }];
  },
};

/** A prediction is a final answer, also where its box was left round it. */
function boxedIn(prediction: string | null): string | null {
  return prediction === null ? null : finalAnswer(prediction) ?? prediction;
}

/** The benchmark's item: by name, by problem, or the one in the same place if it has the same answer. */
function itemOf(
  { items }: FileFacts,
  id: string | number | undefined,
  problem: string | undefined,
  answer: string,
  ordinal: number,
) {
  if (items === undefined) return undefined;
  if (id !== undefined) return items.find(String(id));
  if (problem !== undefined) return items.find(problem);
  const placed = items.at(ordinal - 1);
  return placed?.["answer"] === answer ? placed : undefined;
}
