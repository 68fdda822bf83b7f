/**
 * Masking experiments (docs/masking.md): tokens are masked one after another in the order of a ranking, and the
 * prediction is watched. The engine and the checker are given, so that the experiment knows neither device nor database.
 */
import type { MaskingCase } from "./masking_case.ts";
import type { GenerateResult, LoadedModel, Rule, RunOptions, ScoreResult } from "../../gpu/mod.ts";
import { mean } from "../base/statistics/bootstrap.ts";
import {
  maskablePositions,
  type Ranking,
  type RankingName,
  RANKINGS,
  rankingsOf,
  rulesOf,
  type Scope,
} from "./ranking.ts";
import { type MaskedInput, maskedInput, type Replacement, REPLACEMENTS } from "./replacement.ts";

/** What the experiment asks of a model. */
export type MaskingEngine = Pick<LoadedModel, "attributeMany" | "score" | "generate">;

/** Says whether an answer passes; null where that cannot be decided. `ids` are those of the whole answer. */
export type CheckAnswer = (one: MaskingCase, ids: readonly number[]) => Promise<boolean | null>;

export interface MaskingSettings {
  readonly rankings: readonly RankingName[];
  readonly replacements: readonly Replacement[];
  readonly scope: Scope;
  /** Most tokens masked. */
  readonly budget: number;
  /** Where a curve ends early: when the prediction leaves the target, when it is the contrast, or never. */
  readonly stopAt: "away" | "contrast" | null;
  /** One random order each. */
  readonly seeds: readonly number[];
  /** Id of the token that the replacement `neutral` puts in. */
  readonly neutral: number;
  /** New tokens of a rollout at most. */
  readonly rolloutTokens: number;
}

export const MASKING_DEFAULTS: Omit<MaskingSettings, "neutral"> = {
  rankings: RANKINGS,
  replacements: REPLACEMENTS,
  scope: "prompt",
  budget: 10,
  stopAt: null,
  seeds: [1, 2, 3],
  rolloutTokens: 256,
};

/** What the model predicts with some tokens masked. */
export interface Step {
  /** logit[target] - logit[contrast] */
  readonly delta: number;
  /** Of the target, after softmax. */
  readonly probability: number;
  /** The token that the model would write. */
  readonly argmax: number;
}

/** The completion that follows where a prediction flipped, with the tokens still masked. */
export interface Rollout {
  /** Tokens masked. */
  readonly tokens: number;
  /** New ids, the flipped token first. */
  readonly ids: readonly number[];
  /** Whether answer before the error and rollout together pass. */
  readonly passed: boolean | null;
}

/** Mean over the shares of ERASER (docs/masking.md) of what is lost, in probability of the target and in delta. */
export interface Faithfulness {
  readonly probability: number;
  readonly delta: number;
}

export interface MaskingCurve {
  readonly key: string;
  readonly ranking: Ranking;
  readonly replacement: Replacement;
  /** Positions that could be masked. */
  readonly maskable: number;
  /** steps[k]: the first k positions of the order masked; steps[0] is the input as it is. */
  readonly steps: readonly Step[];
  /** Fewest tokens after which the argmax is not the target, and is the contrast; null: not within the steps. */
  readonly away: number | null;
  readonly contrast: number | null;
  /** At `away`, and at `contrast` where that is another step; none without a checker. */
  readonly rollouts: readonly Rollout[];
  readonly comprehensiveness: Faithfulness;
  readonly sufficiency: Faithfulness;
}

export interface MaskingResult {
  readonly curves: readonly MaskingCurve[];
  /** Cases without curves, and why. */
  readonly skipped: readonly { readonly key: string; readonly reason: "target_not_argmax" | "nothing_to_mask" }[];
}

export interface MaskingOptions extends RunOptions {
  /** Without it there are no rollouts. */
  readonly check?: CheckAnswer;
  readonly onCases?: (done: number, total: number) => void;
}

/** ERASER's shares of the maskable tokens (DeYoung et al., arXiv 1911.03429, section 5.2). */
export const SHARES = [0.01, 0.05, 0.1, 0.2, 0.5] as const;

/** Cases that go to the engine together: so many, with so many tokens. One alone may have more. */
const GROUP = { items: 16, tokens: 4096 } as const;
/** With an early stop, curves are scored in runs of steps of this length, then twice, four times ... it. */
const FIRST_RUN = 2;

/** Runs every ranking with every replacement over all cases. Results hang on cases and settings alone. */
export async function runMasking(
  engine: MaskingEngine,
  cases: readonly MaskingCase[],
  settings: MaskingSettings,
  options: MaskingOptions = {},
): Promise<MaskingResult> {
  const curves: MaskingCurve[] = [];
  const skipped: MaskingResult["skipped"][number][] = [];
  let done = 0;
  for (const group of groups(cases, GROUP, ({ inputIds }) => inputIds.length)) {
    options.signal?.throwIfAborted();
    const scorer = openScorer(engine, settings.neutral, options);
    const wholes = await scorer.score(group.map((one) => ({ one, positions: [], replacement: "attention" })));
    const fit: MaskingCase[] = [];
    group.forEach((one, index) => {
      const nothing = maskablePositions(one, settings.scope).length === 0;
      if (wholes[index]!.argmax !== one.target) skipped.push({ key: one.key, reason: "target_not_argmax" });
      else if (nothing) skipped.push({ key: one.key, reason: "nothing_to_mask" });
      else fit.push(one);
    });
    curves.push(...await runGroup(engine, scorer, fit, settings, options));
    options.onCases?.(done += group.length, cases.length);
  }
  return { curves, skipped };
}

/** Neighbouring items in groups within limits. */
function groups<Item>(items: readonly Item[], most: typeof GROUP, tokensOf: (item: Item) => number) {
  const result: Item[][] = [];
  let tokens = 0;
  for (const item of items) {
    tokens += tokensOf(item);
    const last = result.at(-1);
    if (last && last.length < most.items && tokens <= most.tokens) last.push(item);
    else {
      result.push([item]);
      tokens = tokensOf(item);
    }
  }
  return result;
}

/** A set of a case's tokens, masked. */
interface Masked {
  readonly one: MaskingCase;
  readonly positions: readonly number[];
  readonly replacement: Replacement;
}

interface Scorer {
  /** Steps of the masked inputs, in their order; each input is computed once. */
  readonly score: (masked: readonly Masked[]) => Promise<Step[]>;
  readonly input: (masked: Masked) => MaskedInput;
}

/** The same input whatever the order in which its tokens were masked. */
function nameOf({ one, positions, replacement }: Masked): string {
  if (positions.length === 0) return one.key;
  return `${one.key}/${replacement}/${positions.toSorted((a, b) => a - b).join()}`;
}

function openScorer(engine: MaskingEngine, neutral: number, options: RunOptions): Scorer {
  const known = new Map<string, Step>();
  const input = ({ one, positions, replacement }: Masked) => maskedInput(one.inputIds, positions, replacement, neutral);
  return {
    input,
    async score(masked) {
      const names = masked.map(nameOf);
      const missing = new Map<string, Masked>();
      masked.forEach((each, index) => known.has(names[index]!) || missing.set(names[index]!, each));
      const requests = [...missing.values()].map((each) => ({
        ...input(each),
        target: each.one.target,
        contrast: each.one.contrast,
      }));
      const results = await engine.score(requests, options);
      [...missing.keys()].forEach((name, index) => known.set(name, stepOf(results[index]!)));
      return names.map((name) => known.get(name)!);
    },
  };
}

function stepOf({ argmax, target, logitDifference, logNormaliser }: ScoreResult): Step {
  if (logitDifference === null) throw new Error("a step was scored without a contrast");
  return { delta: logitDifference, probability: Math.exp(target.logit - logNormaliser), argmax: argmax.id };
}

/** A curve while it grows. */
interface Draft {
  readonly one: MaskingCase;
  readonly ranking: Ranking;
  readonly replacement: Replacement;
  readonly steps: Step[];
  /** Steps that the curve may have. */
  readonly most: number;
}

async function runGroup(
  engine: MaskingEngine,
  scorer: Scorer,
  group: readonly MaskingCase[],
  settings: MaskingSettings,
  options: MaskingOptions,
): Promise<MaskingCurve[]> {
  const relevance = await relevanceOf(engine, group, rulesOf(settings.rankings), options);
  const drafts = group.flatMap((one, index) => {
    const positions = maskablePositions(one, settings.scope);
    const own = new Map([...relevance].map(([rule, results]) => [rule, results[index]!]));
    return rankingsOf(one, positions, own, settings.rankings, settings.seeds).flatMap((ranking) =>
      settings.replacements.map((replacement): Draft => ({
        one,
        ranking,
        replacement,
        steps: [],
        most: Math.min(settings.budget, positions.length) + 1,
      }))
    );
  });
  // What is asked of every curve goes to the engine at once: masked inputs that begin alike share what they have in common.
  await scorer.score(drafts.flatMap((draft) => [
    ...settings.stopAt === null ? stepsOf(draft, 0, draft.most) : [],
    ...partsOf(draft, "masked"),
    ...partsOf(draft, "kept"),
  ]));
  await grow(scorer, drafts, settings.stopAt);
  const rollouts = options.check
    ? await runRollouts(engine, scorer, drafts, settings, options.check, options)
    : undefined;
  const [comprehensiveness, sufficiency] = [await lost(scorer, drafts, "masked"), await lost(scorer, drafts, "kept")];
  return drafts.map((draft, index): MaskingCurve => ({
    key: draft.one.key,
    ranking: draft.ranking,
    replacement: draft.replacement,
    maskable: draft.ranking.order.length,
    steps: draft.steps,
    ...flipsOf(draft.one, draft.steps),
    rollouts: rollouts?.[index] ?? [],
    comprehensiveness: comprehensiveness[index]!,
    sufficiency: sufficiency[index]!,
  }));
}

/** Input relevance [tokens] of each case under each rule. */
async function relevanceOf(
  engine: MaskingEngine,
  group: readonly MaskingCase[],
  rules: readonly Rule[],
  options: RunOptions,
): Promise<ReadonlyMap<Rule, readonly Float32Array[]>> {
  const requestsOf = (rule: Rule) =>
    group.map(({ inputIds, target, contrast }) => ({ inputIds, target, contrast, rule }));
  // The rules of one case share its forward pass; several cases lie side by side in a pass, which all have one rule.
  const together = group.length === 1 ? [rules] : rules.map((rule) => [rule]);
  const relevance = new Map<Rule, readonly Float32Array[]>();
  for (const some of together) {
    const results = await engine.attributeMany(some.flatMap(requestsOf), options);
    some.forEach((rule, at) => {
      const own = results.slice(at * group.length, (at + 1) * group.length);
      relevance.set(rule, own.map(({ nodeRelevance }) => nodeRelevance));
    });
  }
  return relevance;
}

/** Fewest tokens to each flip. Later steps may flip back: only the first counts. */
function flipsOf({ target, contrast }: MaskingCase, steps: readonly Step[]) {
  const first = (holds: (step: Step) => boolean) => {
    const found = steps.findIndex(holds);
    return found < 0 ? null : found;
  };
  return { away: first(({ argmax }) => argmax !== target), contrast: first(({ argmax }) => argmax === contrast) };
}

/**
 * Scores the steps of all curves. With an early stop no step before the flip is left out, since a prediction may flip
 * and flip back; runs of growing length only save the steps after it, which are cut off.
 */
async function grow(scorer: Scorer, drafts: readonly Draft[], stopAt: MaskingSettings["stopAt"]): Promise<void> {
  let active = drafts;
  for (let run = stopAt === null ? Infinity : FIRST_RUN; active.length > 0; run *= 2) {
    const wanted = active.map(({ steps, most }) => Math.min(run, most - steps.length));
    const results = await scorer.score(
      active.flatMap((draft, index) => stepsOf(draft, draft.steps.length, wanted[index]!)),
    );
    let at = 0;
    active.forEach(({ steps }, index) => steps.push(...results.slice(at, at += wanted[index]!)));
    active = active.filter(({ one, steps, most }) => {
      const flip = stopAt === null ? null : flipsOf(one, steps)[stopAt];
      if (flip !== null) steps.length = flip + 1;
      return flip === null && steps.length < most;
    });
  }
}

/** Masked inputs of a curve's steps, `count` of them from `first` on. */
function stepsOf({ one, ranking: { order }, replacement }: Draft, first: number, count: number): Masked[] {
  return Array.from({ length: count }, (_, more) => ({ one, replacement, positions: order.slice(0, first + more) }));
}

/** Inputs of ERASER's shares: the first tokens of the order masked, or kept while all others are masked. */
function partsOf({ one, ranking: { order }, replacement }: Draft, first: "masked" | "kept"): Masked[] {
  return SHARES.map((share) => {
    const count = Math.ceil(share * order.length);
    return { one, replacement, positions: first === "masked" ? order.slice(0, count) : order.slice(count) };
  });
}

/** Comprehensiveness (the first tokens of the order masked) or sufficiency (all others masked) of every curve. */
async function lost(scorer: Scorer, drafts: readonly Draft[], first: "masked" | "kept"): Promise<Faithfulness[]> {
  const results = await scorer.score(drafts.flatMap((draft) => partsOf(draft, first)));
  return drafts.map(({ steps }, index) => {
    const own = results.slice(index * SHARES.length, (index + 1) * SHARES.length);
    return {
      probability: mean(own.map(({ probability }) => steps[0]!.probability - probability)),
      delta: mean(own.map(({ delta }) => steps[0]!.delta - delta)),
    };
  });
}

/** The completions at the first flips of every curve, each masked input completed and checked once. */
async function runRollouts(
  engine: MaskingEngine,
  scorer: Scorer,
  drafts: readonly Draft[],
  { rolloutTokens }: MaskingSettings,
  check: CheckAnswer,
  options: RunOptions,
): Promise<Rollout[][]> {
  const flips = drafts.map(({ one, ranking, replacement, steps }) => {
    const { away, contrast } = flipsOf(one, steps);
    const tokens = [...new Set([away, contrast])].filter((flip) => flip !== null);
    return tokens.map((count) => ({ count, masked: { one, replacement, positions: ranking.order.slice(0, count) } }));
  });
  const unique = new Map(flips.flat().map(({ masked }) => [nameOf(masked), masked]));
  const requests = [...unique.values()].map((masked) => ({ ...scorer.input(masked), maxTokens: rolloutTokens }));
  // All at once: where one ends, the engine takes up the next.
  const completions: readonly GenerateResult[] = await engine.generate(requests, options);
  const checked = new Map<string, Omit<Rollout, "tokens">>();
  for (const [index, [name, { one }]] of [...unique].entries()) {
    const { ids } = completions[index]!;
    checked.set(name, { ids, passed: await check(one, [...one.inputIds.slice(one.promptTokens), ...ids]) });
  }
  return flips.map((each) => each.map(({ count, masked }) => ({ tokens: count, ...checked.get(nameOf(masked))! })));
}
