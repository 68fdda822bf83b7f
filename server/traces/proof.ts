/**
 * What a trace's ranking of the prompt is worth: its first tokens are masked, and what the model does then is compared
 * with other rankings of the same failure (docs/traces.md).
 */
import type { LoadedModel, NextTokens, Rule, RunOptions, Tokenizer } from "../../gpu/mod.ts";
import { lostAt } from "../../schema/tables/trace_values.ts";
import { randomStream, shuffled } from "../base/statistics/random.ts";
import type { Verdict } from "../checkers/checker.ts";
import { maskedInput, type Replacement } from "../masking/replacement.ts";
import type { SearchCase } from "../search/criterion.ts";
import { lengthAfter } from "../search/rollouts.ts";
import { cutCompletion } from "./cut_steps.ts";
import { greedyFrom, nextOf, reachOf, withoutEnd } from "./reach.ts";
import { traceCompletion, type TraceResult } from "./trace.ts";

/**
 * Orders of the prompt's tokens: by the chain's shares or its signed form, by the error's own relevance (its size, or what
 * speaks for the error), by gradient times input, and at random.
 */
export const PROOF_RANKINGS = ["chain", "chain-signed", "direct", "direct-signed", "gradient", "random"] as const;
export type ProofRanking = (typeof PROOF_RANKINGS)[number];

export interface ProofSettings {
  readonly rule: Rule;
  readonly replacement: Replacement;
  /** How many tokens are masked, ascending. */
  readonly counts: readonly number[];
  /** Continuations at each step's end; 0: none. */
  readonly rollouts: number;
  readonly seed: number;
}

/** A failure with its error's place. */
export interface ProofCase {
  readonly key: string;
  /** The prompt and the whole failed completion, without the token that ended it, [tokens]. */
  readonly inputIds: readonly number[];
  readonly promptTokens: number;
  /** [tokens] */
  readonly special: readonly boolean[];
  /** Tokens in front of the completion that the model did not write: a solution's. They stay where it writes again. */
  readonly given: number;
  /** The wrong token, which stands behind `at` tokens, and the right one. */
  readonly error: { readonly at: number; readonly target: number; readonly contrast: number };
  /** The last place, as `at`, from which the right answer is known to be reached; null where none is known. */
  readonly recovers: number | null;
  /** Its `check` is there. */
  readonly searchCase: SearchCase;
}

/** What came of masking so many tokens of a ranking. */
export interface MaskedOutcome {
  readonly count: number;
  /** Of the error's tokens, the completion kept. */
  readonly delta: number;
  /** Whether the answer that is generated again ends in another final answer, and whether it passes. */
  readonly flipped: boolean;
  readonly passed: boolean;
}

export interface MeasuredProof {
  readonly key: string;
  readonly repeats: true;
  /** Of the error's tokens, nothing masked. */
  readonly delta: number;
  /** Steps among which the causal one stands. */
  readonly steps: number;
  readonly rankings: Readonly<Record<ProofRanking, readonly MaskedOutcome[]>>;
  /** The first step after which nothing passed; null where there is none, or nothing was tried. */
  readonly lostAt: number | null;
  /** Places of that step among all steps, from 1: by the chain's weights, by the error's own shares, the last first. */
  readonly places: Readonly<Record<"chain" | "direct" | "last", number>> | null;
}

/** A failure that its own model does not write again, nothing masked, says nothing of masks. */
export type ProofRecord = MeasuredProof | { readonly key: string; readonly repeats: false };

/** Parts of a proof in their order. */
export const PROOF_PARTS = ["next tokens", "trace", "masks, kept", "masks, generated", "causal order"] as const;
export type ProofPart = (typeof PROOF_PARTS)[number];

export interface ProofOptions extends RunOptions {
  /** Called when a part begins. */
  readonly onPart?: (part: ProofPart) => void;
}

export async function proveCase(
  model: LoadedModel,
  tokenizer: Tokenizer,
  one: ProofCase,
  settings: ProofSettings,
  options: ProofOptions = {},
): Promise<ProofRecord> {
  const { key, searchCase, given, error } = one;
  options.onPart?.("next tokens");
  const next = await nextOf(model, searchCase, Math.max(2, settings.rollouts), options);
  const failed = finalAnswer(await checked(tokenizer, searchCase, withoutEnd(model, searchCase)));
  const greedy = greedyFrom(model, searchCase, next);
  if (greedy === null || greedy > given) {
    // Its own words are others here and there, or it goes on: the final answer may be the same.
    const [again] = await generateAgain(model, one, [[]], settings, tokenizer, options);
    if (finalAnswer(again!) !== failed) return { key, repeats: false };
  }
  options.onPart?.("trace");
  const { trace, gradient } = await traceWithGradient(model, tokenizer, one, { next, rule: settings.rule }, options);
  const orders = ordersOf(one, trace, gradient, settings.seed);
  const masks = distinctMasks(orders, settings.counts);
  options.onPart?.("masks, kept");
  const before = one.inputIds.slice(0, error.at);
  const mask = maskerOf(tokenizer, settings.replacement);
  const { target, contrast } = error;
  const deltas = await model.score(masks.sets.map((set) => ({ ...mask(before, set), target, contrast })), options);
  options.onPart?.("masks, generated");
  const verdicts = await generateAgain(model, one, masks.sets, settings, tokenizer, options);
  const outcomesOf = (ranking: ProofRanking): readonly MaskedOutcome[] =>
    settings.counts.map((count) => {
      const at = masks.at(ranking, count);
      const verdict = verdicts[at]!;
      return {
        count,
        delta: deltas[at]!.logitDifference!,
        flipped: finalAnswer(verdict) !== failed,
        passed: verdict.passed === true,
      };
    });
  options.onPart?.("causal order");
  const lost = settings.rollouts === 0
    ? null
    : await lostStep(model, tokenizer, one, { trace, next, settings }, options);
  const steps = stepsOf(one, trace);
  return {
    key,
    repeats: true,
    delta: trace.error.value,
    steps: steps.length,
    rankings: {
      "chain": outcomesOf("chain"),
      "chain-signed": outcomesOf("chain-signed"),
      "direct": outcomesOf("direct"),
      "direct-signed": outcomesOf("direct-signed"),
      "gradient": outcomesOf("gradient"),
      "random": outcomesOf("random"),
    },
    lostAt: lost,
    places: lost === null ? null : placesOf(trace, steps, lost),
  };
}

/** The trace to the error, and gradient times input of it: one forward pass more than the one that `next` took. */
async function traceWithGradient(
  model: LoadedModel,
  tokenizer: Tokenizer,
  { inputIds, promptTokens, special, error: { at, target, contrast } }: ProofCase,
  { next, rule }: { readonly next: NextTokens; readonly rule: Rule },
  options: RunOptions,
): Promise<{ readonly trace: TraceResult; readonly gradient: Float32Array }> {
  const before = inputIds.slice(0, at);
  let gradient: Float32Array | undefined;
  const trace = await traceCompletion(
    {
      nextTokens: (requests, more) =>
        requests.every(({ from }) => from >= promptTokens - 1)
          ? Promise.resolve(requests.map(({ from }) => next.slice(from - promptTokens + 1, at - promptTokens + 1)))
          : model.nextTokens(requests, more),
      attributeSeeds: async (requests, more) => {
        const plain = {
          inputIds: before,
          seed: [{ position: at - 1, target, contrast, factor: 1 }],
          rule: "gradient",
        } as const;
        const results = await model.attributeSeeds([...requests, plain], more);
        gradient = results.at(-1)!.nodeRelevance;
        return results.slice(0, -1);
      },
    },
    {
      inputIds: before,
      rule,
      ...cutCompletion(tokenizer, before, promptTokens, null),
      special: special.slice(0, at),
      end: { kind: "pair", target, contrast },
    },
    options,
  );
  return { trace, gradient: gradient! };
}

/** The sets of positions that are masked, each once: rankings agree on many. */
function distinctMasks(
  orders: Readonly<Record<ProofRanking, readonly number[]>>,
  counts: readonly number[],
): { readonly sets: readonly (readonly number[])[]; readonly at: (ranking: ProofRanking, count: number) => number } {
  const places = new Map<string, number>();
  const sets: (readonly number[])[] = [];
  const setOf = (ranking: ProofRanking, count: number) => orders[ranking].slice(0, count).toSorted((a, b) => a - b);
  for (const ranking of PROOF_RANKINGS) {
    for (const count of counts) {
      const set = setOf(ranking, count);
      if (places.has(set.join())) continue;
      places.set(set.join(), sets.length);
      sets.push(set);
    }
  }
  return { sets, at: (ranking, count) => places.get(setOf(ranking, count).join())! };
}

function maskerOf(tokenizer: Tokenizer, replacement: Replacement) {
  const neutral = tokenizer.single(" ", "neutral");
  return (ids: readonly number[], positions: readonly number[]) => maskedInput(ids, positions, replacement, neutral);
}

/** What the checker says of the completions that the model writes behind masked prompts. */
async function generateAgain(
  model: LoadedModel,
  { inputIds, promptTokens, given, searchCase }: ProofCase,
  sets: readonly (readonly number[])[],
  { replacement }: ProofSettings,
  tokenizer: Tokenizer,
  options: RunOptions,
): Promise<readonly Verdict[]> {
  const mask = maskerOf(tokenizer, replacement);
  const start = inputIds.slice(0, promptTokens + given);
  const before = start.slice(promptTokens);
  const length = lengthAfter(searchCase, before, model.config.maxPositions);
  const again = await model.generate(sets.map((set) => ({ ...mask(start, set), ...length })), options);
  return await Promise.all(again.map(({ ids }) => checked(tokenizer, searchCase, [...before, ...ids])));
}

const checked = (tokenizer: Tokenizer, { check }: SearchCase, ids: readonly number[]): Promise<Verdict> =>
  check!(tokenizer.decode(ids, { continues: true }));

/**
 * The first step after which nothing passes, by continuations behind the last place that is known to be recovered from;
 * null where something passes at the last step's end, and where nothing ever does.
 */
async function lostStep(
  model: LoadedModel,
  tokenizer: Tokenizer,
  one: ProofCase,
  { trace, next, settings }: {
    readonly trace: TraceResult;
    readonly next: NextTokens;
    readonly settings: ProofSettings;
  },
  options: RunOptions,
): Promise<number | null> {
  const { searchCase, recovers, error } = one;
  if (recovers !== null && recovers >= error.at) return null;
  const { steps } = trace;
  const request = { searchCase, steps, rollouts: settings.rollouts, behind: recovers ?? -1, next };
  const reach = (await reachOf(model, tokenizer, request, options))!;
  if (recovers === null || reach.some(({ completion }) => completion !== null)) return lostAt(reach);
  return steps.findIndex(({ end }) => end > recovers);
}

/** Tokens of the prompt that steer no chat, in each ranking's order; equal ones keep the order of the text. */
function ordersOf(
  { key, promptTokens, special }: ProofCase,
  { heat, signedHeat, relevance }: TraceResult,
  gradient: Float32Array,
  seed: number,
): Readonly<Record<ProofRanking, readonly number[]>> {
  const positions = Array.from({ length: promptTokens }, (_, position) => position).filter((at) => !special[at]);
  const direct = relevance.at(-1)!;
  const by = (value: (position: number) => number) => positions.toSorted((a, b) => value(b) - value(a) || a - b);
  return {
    "chain": by((position) => heat[position]!),
    "chain-signed": by((position) => signedHeat[position]!),
    "direct": by((position) => Math.abs(direct[position]!)),
    "direct-signed": by((position) => direct[position]!),
    "gradient": by((position) => gradient[position]!),
    "random": shuffled(positions, randomStream(seed, `trace proof/${key}`)),
  };
}

/** What an answer ends in, where its checker says; else its verdict. */
function finalAnswer({ detail, passed }: Verdict): string {
  const prediction = detail?.["prediction"];
  return prediction === undefined || prediction === null ? `passed: ${passed}` : String(prediction);
}

/** The completion's steps; those of an agent's earlier turns are not among them. */
function stepsOf({ promptTokens }: ProofCase, { steps }: TraceResult): readonly number[] {
  return steps.flatMap(({ end }, step) => end > promptTokens ? [step] : []);
}

/** Where a step stands among those of the completion. */
function placesOf(
  { steps, sentences, error }: TraceResult,
  tried: readonly number[],
  lost: number,
): NonNullable<MeasuredProof["places"]> {
  const placeBy = (value: (step: number) => number) =>
    tried.toSorted((a, b) => value(b) - value(a) || a - b).indexOf(lost) + 1;
  return {
    chain: placeBy((step) => steps[step]!.weight),
    direct: placeBy((step) => error.shares[sentences.length + step]!),
    last: placeBy((step) => step),
  };
}
