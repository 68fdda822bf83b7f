/** What one run of the loop is: training prompts, arms, budgets, held-out prompts. */
import { InputError } from "../../gpu/mod.ts";
import { WEIGHT_FORMULAS, type WeightFormula } from "../../schema/tables/analysis_values.ts";
import type { WeightChoice } from "../preferences/weights.ts";

/** How an arm's tokens are weighted. */
export interface ArmWeights {
  readonly formula: WeightFormula;
  readonly weights: WeightChoice;
  /** The trainer leaves the weights of the file out. */
  readonly plain: boolean;
}

const [INSTRUCTION, PROMPT, DIVERGENCE, UNCERTAINTY] = WEIGHT_FORMULAS;

/** Plain and uniform compute the same: their difference shows how far a run is repeated. */
export const ARMS = {
  "plain": { formula: INSTRUCTION, weights: "relevance", plain: true },
  "relevance": { formula: INSTRUCTION, weights: "relevance", plain: false },
  "prompt-share": { formula: PROMPT, weights: "relevance", plain: false },
  "uniform": { formula: INSTRUCTION, weights: "uniform", plain: false },
  "shuffled": { formula: INSTRUCTION, weights: "shuffled", plain: false },
  "divergence": { formula: DIVERGENCE, weights: "relevance", plain: false },
  "uncertainty": { formula: UNCERTAINTY, weights: "relevance", plain: false },
} as const satisfies Readonly<Record<string, ArmWeights>>;
export type Arm = keyof typeof ARMS;

export const isArm = (name: string): name is Arm => Object.hasOwn(ARMS, name);

/** In the order in which they run. */
export const STAGES = ["prompts", "collect", "weights", "train", "evaluate", "series", "report"] as const;
export type Stage = (typeof STAGES)[number];

export interface LoopSettings {
  /** Of prompts, of samples, of the pairs that are held out, of intervals. */
  readonly seed: number;
  /** Training prompts that are asked at most. */
  readonly prompts: number;
  /** Preference pairs that are wanted: no more prompts are asked once they are there. */
  readonly pairs: number;
  /** Prompts that are asked and searched in one piece. */
  readonly batch: number;
  /** Tokens of an answer at most, of training and of held-out prompts. */
  readonly maxTokens: number;
  /** Alternatives tried at a position of a failure, and positions. */
  readonly alternatives: number;
  readonly positions: number;
  /** Of a hundred pairs, those that are measured and not trained on. */
  readonly heldPairs: number;
  readonly arms: readonly Arm[];
  /** Training runs of an arm, by seeds from 1 on. */
  readonly seeds: number;
  /** The trainer's budget, the same for all arms. */
  readonly steps: number;
  readonly trainBatch: number;
  readonly rate: number;
  readonly beta: number;
  /** Rank of the adapters. */
  readonly lora: number;
  /** Steps between checkpoints of a run. */
  readonly saveEvery: number;
  /** Held-out prompts that are asked, drawn by the seed. */
  readonly evaluated: number;
}

export const LOOP_SETTINGS: LoopSettings = {
  seed: 1,
  prompts: 2000,
  pairs: 200,
  batch: 32,
  maxTokens: 256,
  alternatives: 10,
  positions: 60,
  heldPairs: 20,
  arms: ["plain", "relevance", "prompt-share", "uniform", "shuffled"],
  seeds: 3,
  steps: 60,
  trainBatch: 8,
  rate: 1e-4,
  beta: 0.5,
  lora: 16,
  saveEvery: 20,
  evaluated: 541,
};

/** Names of a list with commas. Throws InputError at `where` for one that is not among the known. */
export function namesOf<Name extends string>(list: string, known: readonly Name[], where: string): Name[] {
  return list.split(",").filter((name) => name !== "").map((name) => {
    const found = known.find((one) => one === name);
    if (found !== undefined) return found;
    throw new InputError(`${JSON.stringify(name)} is not known`, where, `give of: ${known.join(", ")}`);
  });
}

/** One training run. */
export interface TrainingRun {
  readonly arm: Arm;
  readonly seed: number;
}

/** Seeds first, so that a run that is stopped has all arms of the seeds that it has. */
export const runsOf = ({ arms, seeds }: LoopSettings): TrainingRun[] =>
  Array.from({ length: seeds }, (_, index) => arms.map((arm) => ({ arm, seed: index + 1 }))).flat();
