/**
 * Ablation experiments (docs/masking.md): heads or neurons are set to zero, the most relevant ones first, and the
 * prediction is watched. The engine is given, so that the experiment does not know the device.
 */
import type { LoadedModel, ModelConfig, Rule, RunOptions, ScoreRequest, ScoreResult } from "../../gpu/mod.ts";
import type { AblationOptions } from "../../schema/tables/ablation_values.ts";
import type { MaskingCase } from "../masking/masking_case.ts";
import {
  type AblationRankingName,
  type ComponentRanking,
  componentRankings,
  type Components,
  componentsOf,
  rulesOfRankings,
  type Unit,
} from "./ranking.ts";

/** What the experiment asks of a model. */
export type AblationEngine = Pick<LoadedModel, "componentTotals" | "score" | "config">;

/** What is asked for; see AblationOptions. */
export interface AblationSettings extends AblationOptions {
  readonly units: readonly Unit[];
  readonly rankings: readonly AblationRankingName[];
}

/** What the model predicts with some heads or neurons ablated. */
export interface AblationStep {
  /** logit[target] - logit[contrast] */
  readonly delta: number;
  /** Of the target, after softmax. */
  readonly probability: number;
  /** The token that the model would write. */
  readonly argmax: number;
}

export interface AblationCurve {
  readonly key: string;
  readonly unit: Unit;
  readonly ranking: ComponentRanking;
  /** Heads or neurons of the model. */
  readonly components: number;
  /** How many are ablated at each step, from 0 on. */
  readonly counts: readonly number[];
  /** steps[i]: the first counts[i] of the order ablated at every token. */
  readonly steps: readonly AblationStep[];
  /** Fewest ablated after which the argmax is not the target, and is the contrast, among the counts; null: not within. */
  readonly away: number | null;
  readonly contrast: number | null;
}

export interface AblationResult {
  readonly curves: readonly AblationCurve[];
  /** Cases without curves: the model does not choose their target. */
  readonly skipped: readonly { readonly key: string; readonly reason: "target_not_argmax" }[];
}

export interface AblationRunOptions extends RunOptions {
  readonly onCases?: (done: number, total: number) => void;
}

/** Runs every ranking of every unit over all cases. Results hang on cases and settings alone. */
export async function runAblation(
  engine: AblationEngine,
  cases: readonly MaskingCase[],
  settings: AblationSettings,
  options: AblationRunOptions = {},
): Promise<AblationResult> {
  const curves: AblationCurve[] = [];
  const skipped: AblationResult["skipped"][number][] = [];
  for (const [index, one] of cases.entries()) {
    options.signal?.throwIfAborted();
    const own = await ablateCase(engine, one, settings, options);
    if (own) curves.push(...own);
    else skipped.push({ key: one.key, reason: "target_not_argmax" });
    options.onCases?.(index + 1, cases.length);
  }
  return { curves, skipped };
}

/** A curve before it is scored. */
interface Draft {
  readonly unit: Unit;
  readonly ranking: ComponentRanking;
  readonly components: number;
  readonly counts: readonly number[];
}

/** The curves of a case; null where the model does not choose its target. */
async function ablateCase(
  engine: AblationEngine,
  one: MaskingCase,
  settings: AblationSettings,
  options: RunOptions,
): Promise<AblationCurve[] | null> {
  const { key, inputIds, target, contrast } = one;
  const asked = { inputIds, target, contrast };
  const [whole] = await engine.score([asked], options);
  if (whole!.argmax.id !== target) return null;
  const drafts = await draftCurves(engine, one, settings, options);
  // Steps that several orders share are computed once.
  const requests = new Map<string, ScoreRequest>();
  const names = drafts.map(({ unit, ranking, counts }) =>
    counts.slice(1).map((count) => {
      const first = ranking.order.slice(0, count);
      const name = `${unit}/${
        first.map(({ layer, index, expert = "" }) => `${layer}.${expert}.${index}`).toSorted().join()
      }`;
      requests.set(name, { ...asked, ablate: { [unit]: first } });
      return name;
    })
  );
  const results = await engine.score([...requests.values()], options);
  const steps = new Map([...requests.keys()].map((name, index) => [name, stepOf(results[index]!)]));
  return drafts.map((draft, index): AblationCurve => {
    const own = [stepOf(whole!), ...names[index]!.map((name) => steps.get(name)!)];
    return { key, ...draft, steps: own, ...flipsOf(one, draft.counts, own) };
  });
}

async function draftCurves(
  engine: AblationEngine,
  { key, inputIds, target, contrast }: MaskingCase,
  { units, rankings, counts, seeds }: AblationSettings,
  options: RunOptions,
): Promise<Draft[]> {
  const experts = expertsOf(engine.config);
  const byUnit = new Map(units.map((unit) => [unit, new Map<Rule, Components>()]));
  for (const rule of rulesOfRankings(rankings)) {
    const totals = await engine.componentTotals({ inputIds, target, contrast, rule }, options);
    for (const [unit, found] of byUnit) found.set(rule, componentsOf(totals, unit, experts));
  }
  return [...byUnit].flatMap(([unit, components]) => {
    const there = [...components.values()][0]!.relevance.length;
    const own = [0, ...counts[unit].filter((count) => count <= there)];
    const most = own.at(-1)!;
    return componentRankings(key, components, { unit, names: rankings, seeds, most })
      .map((ranking): Draft => ({ unit, ranking, components: there, counts: own }));
  });
}

const expertsOf = ({ mlp }: ModelConfig): number[] => mlp.map((one) => one.kind === "experts" ? one.experts : 0);

function stepOf({ argmax, target, logitDifference, logNormaliser }: ScoreResult): AblationStep {
  if (logitDifference === null) throw new Error("a step was scored without a contrast");
  return { delta: logitDifference, probability: Math.exp(target.logit - logNormaliser), argmax: argmax.id };
}

/** Fewest ablated to each flip. Later steps may flip back: only the first counts. */
export function flipsOf(
  { target, contrast }: Pick<MaskingCase, "target" | "contrast">,
  counts: readonly number[],
  steps: readonly AblationStep[],
) {
  const first = (holds: (step: AblationStep) => boolean) => counts[steps.findIndex(holds)] ?? null;
  return { away: first(({ argmax }) => argmax !== target), contrast: first(({ argmax }) => argmax === contrast) };
}
