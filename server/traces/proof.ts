/**
 * What a trace's ranking of the prompt is worth: its first tokens are masked, and what the model does then is compared
 * with other rankings of the same failure (docs/traces.md).
 */
import type { LoadedModel, Rule, RunOptions, Tokenizer } from "../../gpu/mod.ts";
import type { StoredReach } from "../../schema/tables/trace_values.ts";
import { lostAt } from "../../schema/tables/trace_values.ts";
import { randomStream, shuffled } from "../base/statistics/random.ts";
import type { Verdict } from "../checkers/checker.ts";
import { maskedInput, type Replacement } from "../masking/replacement.ts";
import type { SearchCase } from "../search/criterion.ts";
import { cutCompletion } from "./cut_steps.ts";
import { reachOf } from "./reach.ts";
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
  readonly inputIds: readonly number[];
  readonly promptTokens: number;
  readonly special: readonly boolean[];
  readonly target: number;
  readonly contrast: number;
  /** Its `check` is there. */
  readonly searchCase: SearchCase;
}

/** What came of masking so many tokens of a ranking. */
export interface MaskedOutcome {
  readonly count: number;
  /** Of the token pair, the completion kept. */
  readonly delta: number;
  /** Whether the answer that is generated again ends in another final answer, and whether it passes. */
  readonly flipped: boolean;
  readonly passed: boolean;
}

export interface ProofRecord {
  readonly key: string;
  /** Of the token pair, nothing masked. */
  readonly delta: number;
  readonly steps: number;
  /** Whether generating again, nothing masked, gives the failed final answer. */
  readonly repeats: boolean;
  readonly rankings: Readonly<Record<ProofRanking, readonly MaskedOutcome[]>>;
  /** The first step after which nothing passed; null where there is none, or nothing was tried. */
  readonly lostAt: number | null;
  /** Places of that step among all steps, from 1: by the chain's weights, by the error's own shares, the last first. */
  readonly places: Readonly<Record<"chain" | "direct" | "last", number>> | null;
}

export async function proveCase(
  model: LoadedModel,
  tokenizer: Tokenizer,
  one: ProofCase,
  settings: ProofSettings,
  options: RunOptions = {},
): Promise<ProofRecord> {
  const { inputIds, special, target, contrast, searchCase } = one;
  const cut = cutCompletion(tokenizer, inputIds, one.promptTokens, null);
  const trace = await traceCompletion(
    model,
    { inputIds, rule: settings.rule, ...cut, special, end: { kind: "pair", target, contrast } },
    options,
  );
  const plain = await model.attribute({ inputIds, target, contrast, rule: "gradient" }, options);
  const orders = ordersOf(one, trace, plain.nodeRelevance, settings.seed);
  const reach = settings.rollouts === 0
    ? null
    : await reachOf(model, tokenizer, { searchCase, steps: cut.steps, rollouts: settings.rollouts }, options);
  const masks = PROOF_RANKINGS.flatMap((ranking) =>
    settings.counts.map((count) => ({ ranking, count, positions: orders[ranking].slice(0, count) }))
  );
  const neutral = tokenizer.single(" ", "neutral");
  const mask = (ids: readonly number[], { positions }: Masked) =>
    maskedInput(ids, positions, settings.replacement, neutral);
  const deltas = await model.score(masks.map((one) => ({ ...mask(inputIds, one), target, contrast })), options);
  const promptIds = inputIds.slice(0, one.promptTokens);
  const room = model.config.maxPositions - promptIds.length;
  const length = searchCase.thinking?.after([], room) ?? { maxTokens: Math.min(searchCase.maxTokens, room) };
  const again = await model.generate(
    [{ positions: [] }, ...masks].map((one) => ({ ...mask(promptIds, one), ...length })),
    options,
  );
  const [unmasked, ...masked] = await Promise.all(again.map(({ ids }) => searchCase.check!(textOf(tokenizer, ids))));
  const failed = finalAnswer(await searchCase.check!(textOf(tokenizer, searchCase.completionIds)));
  const outcomesOf = (wanted: ProofRanking): readonly MaskedOutcome[] =>
    masks.flatMap(({ ranking, count }, index) =>
      ranking !== wanted ? [] : [{
        count,
        delta: deltas[index]!.logitDifference!,
        flipped: finalAnswer(masked[index]!) !== failed,
        passed: masked[index]!.passed === true,
      }]
    );
  const lost = reach === null ? null : lostAt(reach);
  return {
    key: one.key,
    delta: trace.error.value,
    steps: trace.steps.length,
    repeats: finalAnswer(unmasked!) === failed,
    rankings: {
      "chain": outcomesOf("chain"),
      "chain-signed": outcomesOf("chain-signed"),
      "direct": outcomesOf("direct"),
      "direct-signed": outcomesOf("direct-signed"),
      "gradient": outcomesOf("gradient"),
      "random": outcomesOf("random"),
    },
    lostAt: lost,
    places: lost === null ? null : placesOf(trace, reach!, lost),
  };
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

interface Masked {
  readonly positions: readonly number[];
}

const textOf = (tokenizer: Tokenizer, ids: readonly number[]) => tokenizer.decode(ids, { continues: true });

/** What an answer ends in, where its checker says; else its verdict. */
function finalAnswer({ detail, passed }: Verdict): string {
  const prediction = detail?.["prediction"];
  return prediction === undefined || prediction === null ? `passed: ${passed}` : String(prediction);
}

/** Where a step stands among those at whose ends continuations were tried. */
function placesOf(
  { steps, sentences, error }: TraceResult,
  reach: readonly StoredReach[],
  lost: number,
): NonNullable<ProofRecord["places"]> {
  const tried = reach.flatMap(({ step }) => step === null ? [] : [step]);
  const placeBy = (value: (step: number) => number) =>
    tried.toSorted((a, b) => value(b) - value(a) || a - b).indexOf(lost) + 1;
  return {
    chain: placeBy((step) => steps[step]!.weight),
    direct: placeBy((step) => error.shares[sentences.length + step]!),
    last: placeBy((step) => step),
  };
}
