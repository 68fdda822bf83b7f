/** A trace: all steps of a completion explained at once, and the error's relevance sent back through them. */
import {
  InputError,
  type LoadedModel,
  type NextTokens,
  type Rule,
  type RunOptions,
  type SeedRequest,
  type SeedResult,
  type SeedTerm,
  type TokenLogit,
} from "../../gpu/mod.ts";
import type { StoredStep, StoredStretch, StoredTraceRow } from "../../schema/tables/trace_values.ts";
import { chainOf } from "./chain.ts";
import type { Step } from "./cut_steps.ts";

/**
 * What the trace ends in: a token pair behind the last step, whose target may be the model's own next token, or the last
 * step as a whole.
 */
export type TraceEnd =
  | { readonly kind: "pair"; readonly target: number | undefined; readonly contrast: number | undefined }
  | { readonly kind: "step" };

export interface TraceRequest {
  /** Prompt and completion before the error, [tokens]. */
  readonly inputIds: readonly number[];
  /** Whether a token is left out: the first, and those that steer a chat, [tokens]. */
  readonly special: readonly boolean[];
  readonly sentences: readonly StoredStretch[];
  /** Consecutive, up to the last token. */
  readonly steps: readonly Step[];
  readonly end: TraceEnd;
  readonly rule: Rule;
}

/** What is explained at the end of a trace, and what it rests on. */
export interface TraceError extends StoredTraceRow {
  /** The token pair; null where the last step is explained. */
  readonly pair: { readonly target: TokenLogit; readonly contrast: TokenLogit } | null;
}

export interface TraceResult {
  readonly rule: Rule;
  readonly inputIds: readonly number[];
  readonly sentences: readonly StoredStretch[];
  /** All of them; where the last is the end of the trace, it has the row of `error`. */
  readonly steps: readonly StoredStep[];
  readonly error: TraceError;
  /** Of the error's relevance, what reaches each token through the chain, [tokens], absolute and signed. */
  readonly heat: Float64Array;
  readonly signedHeat: Float64Array;
  /** Raw signed relevance of each row at the embeddings, [rows][tokens]: of the steps that have a row, then of the error. */
  readonly relevance: readonly Float32Array[];
  readonly adapter: string;
  readonly seconds: number;
}

type Explainer = Pick<LoadedModel, "nextTokens" | "attributeSeeds">;

/** Explains all steps. Throws InputError as the engine does, and for a completion without tokens to explain. */
export async function traceCompletion(
  model: Explainer,
  request: TraceRequest,
  options: RunOptions = {},
): Promise<TraceResult> {
  const start = performance.now();
  const { inputIds, rule, special, sentences, steps, end } = request;
  const { rows, pair } = seedsOf(request, await bestTokens(model, request, options));
  const results = await model.attributeSeeds(
    rows.map(({ seed }): SeedRequest => ({ inputIds, seed, rule })),
    options,
  );
  const relevance = results.map(({ nodeRelevance }) => nodeRelevance.slice(0, inputIds.length));
  const chain = chainOf({
    columns: [...sentences, ...(end.kind === "pair" ? steps : steps.slice(0, -1))],
    special,
    rows: results.map(({ value, terms }, index) => ({
      own: rows[index]!.step,
      value,
      tokens: terms.length,
      relevance: relevance[index]!,
    })),
  });
  const rowOf = (step: Step) => chain.rows[rows.findIndex((row) => row.step === step)] ?? null;
  const error = chain.rows.at(-1)!;
  return {
    rule,
    inputIds,
    sentences,
    steps: steps.map((step, index) => ({
      ...step,
      row: rowOf(step),
      weight: chain.weights[sentences.length + index] ?? 1,
      signedWeight: chain.signedWeights[sentences.length + index] ?? 1,
    })),
    error: { ...error, pair: pair ? pairLogits(results.at(-1)!) : null },
    heat: chain.heat,
    signedHeat: chain.signedHeat,
    relevance,
    adapter: results[0]!.adapter,
    seconds: (performance.now() - start) / 1000,
  };
}

interface SeedRow {
  /** Null for the token pair. */
  readonly step: Step | null;
  readonly seed: readonly SeedTerm[];
}

/** The seeds of all rows: of every step that the model wrote, then of the end where it is a token pair. */
function seedsOf(
  request: TraceRequest,
  best: Best,
): { readonly rows: readonly SeedRow[]; readonly pair: boolean } {
  const { inputIds, steps, end } = request;
  const rows = steps.map((step): SeedRow => ({ step, seed: stepSeed(request, step, best) }))
    .filter(({ seed }) => seed.length > 0);
  if (end.kind === "step") {
    if (rows.at(-1)?.step !== steps.at(-1) || rows.length === 0) {
      throw new InputError(
        "the last step has no token that the model chose",
        "completion",
        "give a completion that ends in words of the model, or a contrast for the token behind it",
      );
    }
    return { rows, pair: false };
  }
  const position = inputIds.length - 1;
  const target = end.target ?? best(position)[0]!;
  const contrast = end.contrast ?? best(position).find((id) => id !== target)!;
  if (target === contrast) {
    throw new InputError(
      `the contrast ${contrast} is the model's own choice at this place, so there is nothing to contrast it with`,
      "contrast",
      "name another contrast, or a target",
    );
  }
  return { rows: [...rows, { step: null, seed: [{ position, target, contrast, factor: 1 }] }], pair: true };
}

/** Each of a step's tokens against its best rival; none for what a tool gave back, nor for tokens that steer the chat. */
function stepSeed(
  { inputIds, special }: TraceRequest,
  { kind, start, end }: Step,
  best: Best,
): readonly SeedTerm[] {
  if (kind === "tool_output") return [];
  const seed: SeedTerm[] = [];
  for (let token = start; token < end; token++) {
    if (special[token]) continue;
    const target = inputIds[token]!;
    const contrast = best(token - 1).find((id) => id !== target)!;
    seed.push({ position: token - 1, target, contrast, factor: 1 });
  }
  return seed;
}

/** Ids of the two largest logits after a position. */
type Best = (position: number) => readonly number[];

/** What a trace asks of the engine, as far as memory and time go: which tokens are rivals is not known before it runs. */
export function plannedSeeds(request: TraceRequest): readonly SeedRequest[] {
  const { inputIds, rule, end } = request;
  const any = end.kind === "pair" && end.contrast === 0 ? [1, 0] : [0, 1];
  return seedsOf(request, () => any).rows.map(({ seed }) => ({ inputIds, seed, rule }));
}

/** Ids of the two largest logits after each position from the first step on. */
async function bestTokens(
  model: Explainer,
  { inputIds, steps }: TraceRequest,
  options: RunOptions,
): Promise<Best> {
  const from = (steps[0]?.start ?? inputIds.length) - 1;
  const [found] = await model.nextTokens([{ inputIds, from, top: 2 }], options) as [NextTokens];
  return (position) => found[position - from]!.map(({ id }) => id);
}

function pairLogits({ terms: [term] }: SeedResult): NonNullable<TraceError["pair"]> {
  const { target, targetLogit, contrast, contrastLogit } = term!;
  return { target: { id: target, logit: targetLogit }, contrast: { id: contrast as number, logit: contrastLogit } };
}
