/** What `npm run wild` asks of a model: which items it answers, and what is then asked of its failures. */
import { InputError } from "../../gpu/mod.ts";
import type { BenchmarkRow } from "../benchmarks/benchmarks.ts";
import { referenceName } from "../search/reference_pairs.ts";
import type { PromptTemplate } from "../benchmarks/prompt_templates.ts";

/** What is asked of a benchmark. */
export interface WildBenchmark {
  readonly name: string;
  readonly kind: BenchmarkRow["kind"];
  /** SHA-256 of its file. */
  readonly hash: string;
  /** Items in the file, and how many of them are asked: the first ones in the order of the seed. */
  readonly items: number;
  readonly limit: number;
  /** Tokens of an answer at most. */
  readonly maxTokens: number;
  readonly template: PromptTemplate | null;
}

export interface WildSettings {
  /** Of the order of items and pairs, of controls, of intervals, and of what --check draws. */
  readonly seed: number;
  /** Answers and rollouts that are decoded together; answers are collected in pieces of so many. */
  readonly batch: number;
  /** The search of token pairs: alternatives tried at a position, and positions visited at most (null: all). */
  readonly alternatives: number;
  readonly positions: number | null;
  /** Clean pairs of a benchmark that are attributed, drawn by the seed. */
  readonly pairsEach: number;
  /** The first of them, which have graphs and diagnoses. */
  readonly graphsEach: number;
  /** The first of them that are masked. */
  readonly maskedEach: number;
  /** The first of them that become preference pairs with weights: each token of both answers is attributed for that. */
  readonly weightedEach: number;
  /** Clean pairs of each outcome, over all benchmarks, whose heads and neurons are set to zero, drawn by the seed; 0: none. */
  readonly ablatedEach: number;
  /** Passed answers of a benchmark at which a pair is drawn by chance, as a control. */
  readonly controlsEach: number;
  /** Items of a benchmark with solutions of its own (GSM8K, MATH, code) whose solutions are gone through for pairs; 0: none. */
  readonly referenceItems: number;
  /** Cases of a benchmark that are written down for blind readers. */
  readonly readEach: number;
  /** Tokens masked at most. */
  readonly budget: number;
  /** New tokens of a completion at a flip; 0: none is checked. */
  readonly maskTokens: number;
  readonly replacements: readonly string[];
}

export interface WildStudy extends WildSettings {
  /** The model's name, and the hash of its configuration and weights. */
  readonly model: string;
  readonly modelHash: string;
  readonly benchmarks: readonly WildBenchmark[];
}

export const WILD_SETTINGS: WildSettings = {
  seed: 1,
  batch: 32,
  alternatives: 10,
  positions: null,
  pairsEach: 1000,
  graphsEach: 1000,
  maskedEach: 1000,
  weightedEach: 20,
  ablatedEach: 20,
  controlsEach: 50,
  referenceItems: 0,
  readEach: 20,
  budget: 10,
  maskTokens: 0,
  replacements: ["attention", "remove"],
};

/** What a kind of benchmark is asked with, where nothing is said. */
const ASKED: Readonly<
  Record<
    BenchmarkRow["kind"],
    { readonly limit: number; readonly maxTokens: number; readonly template?: PromptTemplate }
  >
> = {
  ifeval: { limit: 541, maxTokens: 512 },
  gsm8k: { limit: 300, maxTokens: 256 },
  math: { limit: 500, maxTokens: 512 },
  humaneval: { limit: 164, maxTokens: 384, template: "evalplus" },
  evalplus: { limit: 164, maxTokens: 384, template: "evalplus" },
  gaia2: { limit: 100, maxTokens: 512 },
};

/** Items that are asked, by the benchmark's name; of those that are not named so many of each. */
export interface Limits {
  readonly named: ReadonlyMap<string, number>;
  readonly others: number | undefined;
}

/** Reads `N`, or `NAME=N,...`. Throws InputError for anything else. */
export function limitsOf(text: string | undefined): Limits {
  const parts = text?.split(",").map((part) => part.trim()) ?? [];
  const named = new Map<string, number>();
  let others: number | undefined;
  for (const part of parts) {
    const [, name, count] = /^(?:(\S+)=)?(\d{1,9})$/.exec(part) ?? [];
    if (count === undefined || (name === undefined ? others !== undefined : named.has(name))) {
      throw new InputError(`${JSON.stringify(part)} is no limit`, "--limit", "give 64, or ifeval=128,gsm8k=64");
    }
    if (name === undefined) others = Number(count);
    else named.set(name, Number(count));
  }
  return { named, others };
}

/** What is asked of a benchmark's file; `given`: what the command line says. */
export function wildBenchmark(
  row: BenchmarkRow,
  given: { readonly limits: Limits; readonly maxTokens: number | undefined },
  shipped: boolean,
): WildBenchmark {
  const { name, kind, hash, items } = row;
  const asked = ASKED[kind];
  return {
    name,
    kind,
    hash,
    items,
    limit: Math.min(items, given.limits.named.get(name) ?? given.limits.others ?? asked.limit),
    maxTokens: given.maxTokens ?? asked.maxTokens,
    // The demo models were trained on the problems of their benchmarks as they are.
    template: shipped ? null : asked.template ?? null,
  };
}

export const STAGES = [
  "collect",
  "pairs",
  "reference",
  "control",
  "mark",
  "attribute",
  "graph",
  "diagnose",
  "mask",
  "ablate",
  "weights",
  "readings",
  "report",
] as const;
export type Stage = (typeof STAGES)[number];

/** The stages that a list names, in their order; all without one. Throws InputError for an unknown one. */
export function stagesOf(list: string | undefined): Stage[] {
  const names = list?.split(",").map((one) => one.trim()) ?? [...STAGES];
  const wrong = names.find((name) => !(STAGES as readonly string[]).includes(name));
  if (wrong === undefined) return STAGES.filter((stage) => names.includes(stage));
  throw new InputError(`${JSON.stringify(wrong)} is no stage`, "--stages", `give of: ${STAGES.join(", ")}`);
}

/** Kinds of benchmarks that bring solutions. */
const SOLVED: ReadonlySet<BenchmarkRow["kind"]> = new Set(["gsm8k", "math", "humaneval", "evalplus"]);

/** The benchmarks whose solutions are gone through. */
export const solvedBenchmarks = ({ benchmarks, referenceItems }: WildStudy): WildBenchmark[] =>
  referenceItems === 0 ? [] : benchmarks.filter(({ kind }) => SOLVED.has(kind));

/** The benchmarks that hold a study's failures: of its answers, then of their solutions. */
export const failureBenchmarks = (study: WildStudy): string[] => [
  ...study.benchmarks.map(({ name }) => name),
  ...solvedBenchmarks(study).map(({ name }) => referenceName(name)),
];
