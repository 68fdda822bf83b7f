/** The items of a benchmark as they are asked of a model: drawn by the seed, rendered as a chat, tokenised. */
import type { JsonObject, Tokenizer } from "../../gpu/mod.ts";
import { canonicalHash } from "../base/canonical_hash.ts";
import { randomStream, shuffled } from "../base/statistics/random.ts";
import { type ModelResponse, responseKey } from "../cases/store_responses.ts";
import { type BenchmarkRow, isShipped } from "./benchmarks.ts";
import { phrasesOf, readItems } from "./items.ts";
import { type PromptTemplate, questionOf } from "./prompt_templates.ts";

/** Which items are asked, and how. */
export interface QuestionSettings {
  /** Only the first items; null: all. */
  readonly limit: number | null;
  /** Items in the order that this seed gives, so that the first ones are a sample; in the file's where nothing is said. */
  readonly seed?: number;
  /** Tokens of a response at most. */
  readonly maxTokens: number;
  /** How problems are asked; null: as their kind is asked. */
  readonly promptTemplate: PromptTemplate | null;
  /** Lets the model think first, in so many tokens at most. */
  readonly thinkingTokens?: number;
}

/** An item ready to be asked. */
export interface Question {
  readonly key: string;
  /** The item as the benchmark has it. */
  readonly row: JsonObject;
  readonly response: Omit<ModelResponse, "completion" | "completionIds" | "thought" | "verdict">;
}

/** The items that a run asks, the first `limit` in the order of the seed. Throws InputError for a file that is none. */
export async function readQuestions(
  benchmark: BenchmarkRow,
  { limit, seed, maxTokens, promptTemplate, thinkingTokens }: QuestionSettings,
  { modelId, tokenizer }: { readonly modelId: number; readonly tokenizer: Tokenizer },
): Promise<Question[]> {
  const items = await readItems(benchmark.path, benchmark.name);
  const places = Array.from({ length: items.count }, (_, index) => index);
  const order = seed === undefined ? places : shuffled(places, randomStream(seed, `items of ${benchmark.name}`));
  return order.slice(0, limit ?? undefined).map((index) => {
    const row = items.at(index) as JsonObject;
    // The demo models were trained on the problems of the benchmarks that come with them as they are.
    const wanted = promptTemplate ?? (isShipped(benchmark.path) ? "plain" : undefined);
    const { messages, item, template } = questionOf(row, wanted);
    const prompt = tokenizer.chat(messages, { thinking: thinkingTokens !== undefined });
    const identity = {
      benchmark: benchmark.name,
      task: taskOf(row, benchmark.name, index),
      docHash: canonicalHash(row),
      promptHash: canonicalHash(messages),
      // What cuts a response out of endless output is its limit.
      filter: `greedy-${maxTokens}${thinkingTokens === undefined ? "" : `-thinking-${thinkingTokens}`}`,
    };
    return {
      key: responseKey(identity),
      row,
      response: {
        ...identity,
        modelId,
        messages,
        prompt,
        promptIds: tokenizer.encode(prompt),
        instructionPhrases: phrasesOf(row),
        item,
        promptTemplate: template,
        source: "collected",
        metadata: { maxTokens, ...picked(row, ["level", "subject", "instruction_id_list"]) },
      },
    };
  });
}

/** An item's own name, without that of its benchmark. */
function taskOf(row: JsonObject, benchmark: string, index: number): string {
  const { key, unique_id, task_id, scenario_id, id } = row;
  const name = String(key ?? unique_id ?? task_id ?? scenario_id ?? id ?? index + 1);
  return name.startsWith(`${benchmark}/`) ? name.slice(benchmark.length + 1) : name;
}

function picked(row: JsonObject, fields: readonly string[]): JsonObject {
  return Object.fromEntries(fields.flatMap((field) => row[field] === undefined ? [] : [[field, row[field]]]));
}
