/**
 * The planning process: a device of its own, since a plan compiles and measures on it while the worker works. It answers
 * the questions of its standard input, a JSON line each, one after another, and ends with it.
 */
import { type AdapterInfo, type Engine, openEngine, type PlannedRun, type Rule, type RunPlan } from "../../gpu/mod.ts";
import { answerQuestions } from "../base/answer_questions.ts";
import { readSettings } from "../base/settings.ts";
import type { Step } from "../traces/cut_steps.ts";
import { plannedSeeds } from "../traces/trace.ts";

/** A run of a kind with a model, at some lengths. */
export interface PlanQuestion {
  readonly directory: string;
  readonly kind: PlannedRun["kind"] | "trace";
  readonly rule: Rule;
  /** Whether a graph's edges are split by head. */
  readonly heads: boolean;
  /** Tokens of its inputs; at least one. */
  readonly lengths: readonly number[];
  /** Of traces: the steps at each length. */
  readonly steps?: readonly (readonly Step[])[];
}

export interface PlanAnswer {
  readonly adapter: AdapterInfo["name"];
  /** A plan for each length, as if its process had compiled the kernels already. */
  readonly plans: readonly RunPlan[];
  /** What the first run of a process takes beyond that, in seconds. */
  readonly startSeconds: number;
}

/** Ids do not matter for what a run takes, but they must be ones that a vocabulary has. */
function runOf({ kind, rule, heads, lengths, steps }: PlanQuestion, index: number): PlannedRun {
  const inputIds = new Array<number>(lengths[index]!).fill(0);
  if (kind === "trace") {
    const end = { kind: "pair", target: 1, contrast: 2 } as const;
    const special = inputIds.map(() => false);
    return {
      kind: "attribute",
      requests: plannedSeeds({ inputIds, special, sentences: [], steps: steps![index]!, end, rule }),
    };
  }
  const request = { inputIds, target: 1, contrast: 2, rule };
  return kind === "graph" ? { kind, request: { ...request, heads } } : { kind, requests: [request] };
}

async function answer(
  engine: Engine,
  question: PlanQuestion,
  starts: Map<string, number>,
): Promise<PlanAnswer> {
  const { directory, kind, rule, heads, lengths } = question;
  const key = JSON.stringify([directory, kind, rule, heads]);
  if (!starts.has(key)) {
    // Planned twice, the second time finds its kernels compiled.
    const run = runOf(question, 0);
    const first = await engine.plan(directory, run);
    const again = await engine.plan(directory, run);
    starts.set(key, Math.max(0, first.seconds - again.seconds));
  }
  const plans: RunPlan[] = [];
  for (const index of lengths.keys()) plans.push(await engine.plan(directory, runOf(question, index)));
  return { adapter: engine.adapter.name, plans, startSeconds: starts.get(key)! };
}

if (import.meta.main) {
  const { adapter } = readSettings();
  const opening = openEngine(adapter === undefined ? {} : { adapter });
  opening.catch(() => {});
  const starts = new Map<string, number>();
  await answerQuestions(async (question: PlanQuestion) => answer(await opening, question, starts));
}
