/** A trace of the long case, cut by tool outputs as an agent's is, all random: what the room of traces must bear. */
import { Buffer } from "node:buffer";
import { eq } from "drizzle-orm";
import type { Database } from "../schema/tables/database.ts";
import { traces } from "../schema/tables/trace_tables.ts";
import { failureCases, tokenPairs } from "../schema/tables/tables.ts";
import type { StepKind, StoredStep, StoredStretch, StoredTraceRow } from "../schema/tables/trace_values.ts";
import type { LongCase } from "./long_case.ts";
import { type Random, seededRandom } from "./random.ts";

/** Sentences of the prompt, turns of thought, call and output after it. */
const SENTENCES = 256;
const TURNS = 80;

export interface LongTrace {
  /** Global ids of the token pair and the trace. */
  readonly pair: string;
  readonly trace: string;
  readonly parts: number;
}

/** Stretches of about equal length from `from` to before `to`. */
function cut(texts: readonly string[], from: number, to: number, count: number): StoredStretch[] {
  const at = (part: number) => from + Math.round(part * (to - from) / count);
  return Array.from({ length: count }, (_, part) => {
    const [start, end] = [at(part), at(part + 1)];
    return { start, end, text: texts.slice(start, end).join("") };
  });
}

/** What a row rests on: mostly what is near, and a few others. */
function rowOf(
  random: Random,
  columns: number,
): Omit<StoredTraceRow, "weight" | "signedWeight" | "lost" | "signedLost"> {
  const raw = Array.from({ length: columns }, (_, column) => Math.abs(random.normal()) ** 5 / (columns - column));
  const [own, special] = [0.2, 0.1];
  const sum = raw.reduce((all, value) => all + value, 0);
  const shares = raw.map((value) => (1 - own - special) * value / sum);
  return {
    value: 3,
    tokens: 5,
    absolute: 10,
    own,
    special,
    shares,
    signed: shares.map((share) => 10 * share * (random.next() - 0.3)),
  };
}

/** Stores the trace of a long case's only pair. */
export async function storeLongTrace(db: Database, { id, texts }: LongCase): Promise<LongTrace> {
  const random = seededRandom(2_604);
  const caseId = Number(atob(id).split(":")[1]);
  const [pair] = await db.select({ id: tokenPairs.id, modelId: failureCases.modelId }).from(tokenPairs)
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId)).where(eq(failureCases.id, caseId));
  const tokens = texts.length;
  const promptTokens = Math.floor(0.12 * tokens);
  const sentences = cut(texts, 1, promptTokens, Math.min(SENTENCES, promptTokens - 1));
  const kinds: readonly StepKind[] = ["thought", "tool_call", "tool_output"];
  const turns = Math.max(1, Math.min(TURNS, Math.floor((tokens - promptTokens) / 6)));
  const stretches = cut(texts, promptTokens, tokens, 3 * turns - 1);
  const rows = stretches.map((_, index) =>
    kinds[index % 3] === "tool_output" ? null : rowOf(random, sentences.length + index)
  );
  const error = rowOf(random, sentences.length + stretches.length);
  // From the error back: what reaches each row, and each column.
  const count = sentences.length;
  const weights = new Array<number>(count + stretches.length).fill(0);
  const signedWeights = [...weights];
  const pass = (row: typeof error, weight: number, signedWeight: number) =>
    row.shares.forEach((share, column) => {
      weights[column]! += weight * share / (1 - row.own);
      signedWeights[column]! += signedWeight * row.signed[column]! / (row.absolute * (1 - row.own));
    });
  pass(error, 1, 1);
  for (let index = stretches.length - 1; index >= 0; index--) {
    const row = rows[index];
    if (row) pass(row, weights[count + index]!, signedWeights[count + index]!);
  }
  const whole = (row: typeof error, weight: number, signedWeight: number): StoredTraceRow => ({
    ...row,
    weight,
    signedWeight,
    lost: weight * row.special / (1 - row.own),
    signedLost: 0,
  });
  const steps = stretches.map((stretch, index): StoredStep => {
    const [weight, signedWeight] = [weights[count + index]!, signedWeights[count + index]!];
    const row = rows[index];
    return {
      ...stretch,
      kind: kinds[index % 3]!,
      weight,
      signedWeight,
      row: row ? whole(row, weight, signedWeight) : null,
    };
  });
  const vector = (length: number) => Buffer.from(Float32Array.from({ length }, () => random.next() ** 8).buffer);
  const [stored] = await db.insert(traces).values({
    tokenPairId: pair!.id,
    modelId: pair!.modelId,
    rule: "attnlrp",
    settings: { boundaries: null, rollouts: 0 },
    settingsHash: "random",
    promptTokens,
    tokenCount: tokens,
    sentences,
    steps,
    error: whole(error, 1, 1),
    heat: vector(tokens),
    signedHeat: vector(tokens),
    relevance: vector(tokens * (steps.filter(({ row }) => row !== null).length + 1)),
    reach: null,
    adapter: "random numbers",
    seconds: 1,
  }).returning({ id: traces.id });
  return {
    pair: btoa(`TokenPair:${pair!.id}`),
    trace: btoa(`Trace:${stored!.id}`),
    parts: sentences.length + steps.length + 1,
  };
}
