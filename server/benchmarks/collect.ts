/**
 * Runs a model over a benchmark: renders each item as a chat, with thinking off or a budget for it, decodes greedily in
 * batches, has every answer checked without its thought, and stores the whole responses with their tokens. What is stored
 * already is not generated again.
 */
import { and, eq, inArray } from "drizzle-orm";
import {
  type GenerateRequest,
  type GenerateResult,
  type LoadedModel,
  type RunOptions,
  type Tokenizer,
} from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { responses } from "../../schema/tables/tables.ts";
import type { BenchmarkRow } from "./benchmarks.ts";
import type { Checkers } from "../checkers/check.ts";
import type { Transaction } from "../database/database.ts";
import { type Question, type QuestionSettings, readQuestions } from "./questions.ts";
import { type ModelResponse, storeResponses } from "../cases/store_responses.ts";
import { answerAfter, openThinking, splitCompletion, type Thinking, thoughtOf } from "../models/thinking.ts";

export interface CollectSettings extends QuestionSettings {
  /** Responses that are decoded together. */
  readonly batch: number;
}

/** What became of an item. */
export interface CollectedItem {
  readonly key: string;
  readonly result: "collected" | "unchanged" | "skipped";
  /** Null where nobody could decide, or nothing was generated. */
  readonly passed: boolean | null;
  /** Why it was skipped, or failed. */
  readonly reason?: string;
}

export interface CollectTotals {
  readonly total: number;
  readonly collected: number;
  readonly unchanged: number;
  /** Items whose prompt does not fit the model. */
  readonly skipped: number;
  readonly passed: number;
  readonly failed: number;
  readonly undecided: number;
}

export interface CollectParts {
  readonly db: Database;
  readonly modelId: number;
  readonly model: LoadedModel;
  readonly tokenizer: Tokenizer;
  readonly checkers: Checkers;
  readonly options: RunOptions;
  /** Called inside the transaction that stores a batch; what it throws undoes the batch and ends the run. */
  readonly onBatch?: (tx: Transaction, done: number, total: number) => Promise<void>;
  /** Called while a batch is computed: items that are done, those of the batch as far as it is, and what is done now. */
  readonly onStep?: (step: CollectStep) => void;
  /** Called with items whose fate is stored. */
  readonly onItems?: (items: readonly CollectedItem[]) => Promise<void>;
}

export interface CollectStep {
  readonly done: number;
  readonly total: number;
  readonly underWay: number;
  readonly detail?: string;
}

export async function collect(
  benchmark: BenchmarkRow,
  settings: CollectSettings,
  parts: CollectParts,
): Promise<CollectTotals> {
  const { db, model, options, onItems, onStep } = parts;
  const thinking = thinkingFor(settings, parts);
  const questions = await readQuestions(benchmark, settings, parts);
  const known = await storedResponses(db, parts.modelId, questions);
  const done: CollectedItem[] = questions.filter(({ key }) => known.has(key))
    .map(({ key }) => ({ key, result: "unchanged", passed: known.get(key) ?? null }));
  const open = questions.filter(({ key }) => !known.has(key));
  // A thought has one token at least, and its end.
  const taken = thinking ? 1 + thinking.ending.length : 0;
  const room = ({ response: { promptIds } }: Question) => model.config.maxPositions - promptIds.length - taken;
  for (const question of open.filter((one) => room(one) < 1)) {
    const reason =
      `the prompt has ${question.response.promptIds.length} tokens, the model takes ${model.config.maxPositions}`;
    done.push({ key: question.key, result: "skipped", passed: null, reason });
  }
  await onItems?.(done);
  // Equal lengths side by side: sequences of a batch end at about the same time, and memory is filled evenly.
  const asked = open.filter((one) => room(one) >= 1)
    .sort((a, b) => a.response.promptIds.length - b.response.promptIds.length);
  for (let from = 0; from < asked.length; from += settings.batch) {
    const batch = asked.slice(from, from + settings.batch);
    const before = { done: done.length, total: questions.length };
    onStep?.({ ...before, underWay: 0 });
    const results = await model.generate(
      batch.map((one) => requestOf(one, settings.maxTokens, model.config.maxPositions, thinking)),
      {
        ...options,
        onProgress: (step) => {
          const underWay = step.phase === "decode" ? batch.length * step.done / step.total : 0;
          onStep?.({ ...before, underWay, detail: `${step.phase} ${step.done}/${step.total}` });
        },
      },
    );
    const answers = await Promise.all(
      batch.map((one, index) => finish(one, results[index] as GenerateResult, parts, thinking)),
    );
    const items = await store(answers, parts, done.length + batch.length, questions.length);
    done.push(...items);
    await onItems?.(items);
  }
  return totalsOf(done);
}

function thinkingFor({ thinkingTokens }: CollectSettings, { model, tokenizer }: CollectParts): Thinking | undefined {
  if (thinkingTokens === undefined) return undefined;
  const { config: { architecture }, directory } = model;
  return openThinking(tokenizer, { model: directory, architecture, budget: thinkingTokens, where: "thinking" });
}

function requestOf(
  { response: { promptIds } }: Question,
  answerTokens: number,
  maxPositions: number,
  thinking: Thinking | undefined,
): GenerateRequest {
  const room = maxPositions - promptIds.length;
  if (!thinking) return { inputIds: promptIds, maxTokens: Math.min(answerTokens, room) };
  return { inputIds: promptIds, ...answerAfter(thinking, { promptIds, before: [], answerTokens, room }) };
}

/** Verdicts of the responses that are stored under the questions' keys. */
async function storedResponses(
  db: Database,
  modelId: number,
  questions: readonly Question[],
): Promise<ReadonlyMap<string, boolean | null>> {
  const found = new Map<string, boolean | null>();
  for (let from = 0; from < questions.length; from += 1000) {
    const keys = questions.slice(from, from + 1000).map(({ key }) => key);
    const rows = await db.select({ key: responses.key, passed: responses.passed }).from(responses)
      .where(and(eq(responses.modelId, modelId), inArray(responses.key, keys)));
    for (const { key, passed } of rows) found.set(key, passed);
  }
  return found;
}

async function finish(
  { response }: Question,
  result: GenerateResult,
  { tokenizer, checkers }: CollectParts,
  thinking: Thinking | undefined,
): Promise<ModelResponse> {
  const { ids, end } = result;
  const completion = tokenizer.decode(ids, { continues: true });
  const thought = thinking ? thoughtOf(thinking, result) : null;
  // A thought that never ended leaves no answer.
  const answer = thought ? splitCompletion(tokenizer, ids, thought).answer : completion;
  const verdict = response.item && await checkers.check(response.item, answer);
  // The token that ended it is a position like the others: stopping too early is a mistake too.
  return { ...response, completion, completionIds: end === null ? ids : [...ids, end], thought, verdict };
}

async function store(
  answers: readonly ModelResponse[],
  { db, tokenizer, onBatch }: CollectParts,
  done: number,
  total: number,
): Promise<CollectedItem[]> {
  return await db.transaction(async (tx) => {
    const stored = await storeResponses(tx, answers, () => tokenizer);
    await onBatch?.(tx, done, total);
    return stored.map(({ key }, index) => {
      const verdict = answers[index]?.verdict;
      return {
        key,
        result: "collected",
        passed: verdict?.passed ?? null,
        ...(verdict?.reason === undefined ? {} : { reason: verdict.reason }),
      };
    });
  });
}

function totalsOf(items: readonly CollectedItem[]): CollectTotals {
  const count = (test: (item: CollectedItem) => boolean) => items.filter(test).length;
  return {
    total: items.length,
    collected: count(({ result }) => result === "collected"),
    unchanged: count(({ result }) => result === "unchanged"),
    skipped: count(({ result }) => result === "skipped"),
    passed: count(({ passed }) => passed === true),
    failed: count(({ passed }) => passed === false),
    undecided: count(({ result, passed }) => passed === null && result !== "skipped"),
  };
}
