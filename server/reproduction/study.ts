/** What the reproduction computes: which models answer which items, and what is then asked of their failures. */

/** Items of each benchmark that a model answers: the first ones of the file. */
export type Items = Readonly<Record<string, number>>;

export interface SeriesPart {
  /** Name of the series in models/series.json. */
  readonly series: string;
  /** The member whose failures are compared: of the others it is asked what they would prefer there. */
  readonly cases: string;
}

export interface ReproductionStudy {
  /** The model of the tables and of the figures of single cases. */
  readonly model: string;
  readonly items: Items;
  readonly series: readonly SeriesPart[];
  /** Items that a series' member answers where it is not `model`. */
  readonly seriesItems: Items;
  /** Clean pairs of each benchmark that have graphs, diagnoses and masking experiments, and that take part in studies. */
  readonly pairsEach: number;
  /** Tokens of an answer at most; masking's completions too. */
  readonly maxTokens: number;
  /** Tokens masked at most. */
  readonly budget: number;
  readonly replacements: readonly string[];
  /** Of all intervals. */
  readonly seed: number;
}

export const REPRODUCTION: ReproductionStudy = {
  model: "demo-1m-sft-0600",
  items: { "demo-ifeval": 100, "demo-math": 60, "demo-code": 64, "demo-agentic": 36 },
  series: [
    { series: "demo-sizes", cases: "demo-0.3m" },
    { series: "demo-checkpoints", cases: "demo-1m-sft-0600" },
  ],
  seriesItems: { "demo-ifeval": 40, "demo-math": 24, "demo-code": 16, "demo-agentic": 8 },
  pairsEach: 20,
  maxTokens: 96,
  budget: 10,
  replacements: ["attention", "remove"],
  seed: 1,
};
