/** Shapes of the JSON columns of graphs, diagnoses, masking experiments and series. */

import type { AblationOptions } from "./ablation_values.ts";
import type { Rule } from "./rules.ts";
import type { TraceSettings } from "./trace_values.ts";

/** What jobs on token pairs were asked to do; see JobInput. */
export type AnalysisInput =
  | { readonly kind: "diagnose"; readonly tokenPairIds: readonly number[]; readonly rule: Rule }
  | {
    readonly kind: "build_graph";
    /** Row ids, ascending. */
    readonly tokenPairIds: readonly number[];
    readonly rule: Rule;
    readonly options: GraphOptions;
  }
  | { readonly kind: "mask"; readonly tokenPairIds: readonly number[]; readonly settings: MaskingOptions }
  | {
    readonly kind: "mask";
    readonly tokenPairIds: readonly number[];
    /** Positions that a person chose, masked in this order. */
    readonly chosen: readonly number[];
    readonly replacement: MaskingOptions["replacements"][number];
    /** New tokens at most of what the model would write with all of them masked; none when left out. */
    readonly rolloutTokens?: number;
  }
  | { readonly kind: "ablate"; readonly tokenPairIds: readonly number[]; readonly settings: AblationOptions }
  | { readonly kind: "export_preferences"; readonly tokenPairIds: readonly number[]; readonly formula: WeightFormula }
  | { readonly kind: "mark"; readonly tokenPairIds: readonly number[] }
  | {
    readonly kind: "explain_objective";
    readonly tokenPairIds: readonly number[];
    readonly rule: Rule;
    readonly objective: AskedObjective;
  }
  | {
    readonly kind: "trace";
    readonly tokenPairIds: readonly number[];
    readonly rule: Rule;
    readonly settings: TraceSettings;
  };

/**
 * What is explained at a token pair's place instead of the pair (docs/method.md, section 1). Sequences are as they were
 * typed: `text:` and a text, or token ids with commas between them.
 */
export type AskedObjective =
  | { readonly kind: "logit" | "mean" }
  | { readonly kind: "top"; readonly count: number }
  | { readonly kind: "sequence"; readonly target: string; readonly contrast: string };

/** An addend of an objective: factor x (targetLogit - contrastLogit) after a position of its side. */
export interface StoredTerm {
  readonly side: "target" | "contrast";
  readonly position: number;
  readonly target: number;
  /** A token, the mean of all, or nothing. */
  readonly contrast: number | "mean" | null;
  readonly factor: number;
  readonly targetLogit: number;
  readonly contrastLogit: number;
}

/** Tokens of one of two sequences alone. */
export interface StoredBranch {
  readonly side: "target" | "contrast";
  readonly ids: readonly number[];
  readonly tokenTexts: readonly string[];
  /** Of each, at the embeddings, in logits. */
  readonly relevance: readonly number[];
}

/** What hiding one sentence of a prompt takes away, in nats a token. */
export interface SentenceEffect {
  readonly text: string;
  /** From the log probability of the right continuation. */
  readonly right: number;
  /** From that of the wrong one. */
  readonly wrong: number;
  /** Whether the sentence counts as one that the right continuation needs. */
  readonly marked: boolean;
}

/** What the members of a series differ in: size, training, or how the weights of one model are quantised. */
export const SERIES_KINDS = ["scaling", "training", "quantisation"] as const;
export type SeriesKind = (typeof SERIES_KINDS)[number];

/** Which pairs a study takes beside those that it has: row ids, or pairs with delta > 1 of some cases. */
export type StudyPairs =
  | { readonly tokenPairIds: readonly number[] }
  | { readonly benchmark: string | null; readonly model: string | null };

/** A study that attributes its pairs on the members of its series. */
export interface StudyInput {
  readonly kind: "study";
  readonly studyId: number;
  readonly rule: Rule;
  /** Members of the series when the job was asked for. */
  readonly modelIds: readonly number[];
  /** null: the pairs that the study has. */
  readonly pairs: StudyPairs | null;
}

/**
 * What weighs a completion token by its attribution: the share of |relevance| that falls on Instruction tokens
 * (docs/method.md, section 9), or on all tokens of the prompt that are not special.
 */
export const RELEVANCE_FORMULAS = ["instruction-share/1", "prompt-share/1"] as const;
export type RelevanceFormula = (typeof RELEVANCE_FORMULAS)[number];

/** What weighs it by a forward pass alone: where the completions part, or how unsure the model is of its next token. */
export const PREDICTION_FORMULAS = ["divergence/1", "uncertainty/1"] as const;

/** All formulas; docs/preferences.md gives each. */
export const WEIGHT_FORMULAS = [...RELEVANCE_FORMULAS, ...PREDICTION_FORMULAS] as const;
export type WeightFormula = (typeof WEIGHT_FORMULAS)[number];

/** Whether a formula needs an attribution of each completion token, and so goes by the prompt's marks. */
export const goesByRelevance = (formula: WeightFormula): formula is RelevanceFormula =>
  (RELEVANCE_FORMULAS as readonly WeightFormula[]).includes(formula);

/** Options of a graph, in the engine's words (GraphRequest of gpu/engine.ts), every one given. */
export interface GraphOptions {
  /** Ascending node layers; null = all. */
  readonly transitions: readonly number[] | null;
  readonly mass: number;
  readonly minRelevance: number;
  readonly reach: "last" | "all";
  readonly heads: boolean;
  readonly edgeBudget: number;
}

/** What stands where nothing is said; the engine's own defaults. */
export const GRAPH_OPTIONS: GraphOptions = {
  transitions: null,
  mass: 0.85,
  minRelevance: 0.01,
  reach: "last",
  heads: false,
  edgeBudget: 200_000,
};

/** What a graph keeps beside its file. */
export interface GraphSummary {
  readonly nodeLayers: readonly number[];
  /** One entry a transition: what was kept and dropped, without its edges. */
  readonly transitions: readonly Readonly<Record<string, number>>[];
  /** Metrics of server/graph_metrics; empty in graphs that were stored before these were kept. */
  readonly metrics: StoredGraphMetrics | Readonly<Record<string, never>>;
}

/** A node of a graph. */
export interface StoredNode {
  /** 0 = embeddings, l = after block l. */
  readonly layer: number;
  readonly token: number;
}

/** What is kept of a graph's metrics. Formulas, and what is null when: docs/graph-metrics.md. */
export interface StoredGraphMetrics {
  readonly transitions: readonly {
    readonly source: number;
    readonly target: number;
    readonly fanIn: { readonly mean: number | null; readonly most: number };
    readonly fanOut: { readonly mean: number | null; readonly most: number };
    readonly gini: number | null;
    readonly verticality: number | null;
    readonly sinkShare: number | null;
    readonly lookBack: number | null;
    readonly lookBackSideways: number | null;
  }[];
  readonly layers: readonly {
    readonly layer: number;
    readonly sinkShare: number | null;
    readonly centre: number | null;
    readonly centreWithoutSink: number | null;
  }[];
  readonly hubs: readonly (StoredNode & {
    readonly fanIn: number;
    readonly fanOut: number;
    readonly mass: number;
  })[];
  readonly centre: { readonly layer: number; readonly position: number } | null;
  /** What each dominant token has handed to the last position by the end of each transition, in logits. */
  readonly transfer: {
    readonly layers: readonly number[];
    readonly tokens: readonly { readonly token: number; readonly cumulative: readonly number[] }[];
  };
  readonly reduced: {
    readonly tokens: readonly { readonly token: number; readonly transfer: number; readonly share: number }[];
    readonly layers: readonly { readonly source: number; readonly target: number; readonly share: number }[];
    readonly paths: readonly {
      readonly nodes: readonly StoredNode[];
      readonly weights: readonly number[];
      readonly shares: readonly number[];
      readonly strength: number;
    }[];
    readonly nodes: readonly (StoredNode & { readonly relevance: number })[];
    readonly edges: readonly {
      readonly source: StoredNode;
      readonly target: StoredNode;
      readonly weight: number | null;
      readonly paths: number;
    }[];
  };
}

/** The metrics of a stored graph; null where they were not kept. */
export function metricsOf({ metrics }: GraphSummary): StoredGraphMetrics | null {
  return "transitions" in metrics ? metrics as StoredGraphMetrics : null;
}

/** One number that the classifier looked at, with the threshold it was compared with. */
export interface EvidenceNumber {
  readonly name: string;
  readonly value: number;
  readonly threshold: number | null;
  /** Whether it speaks for the verdict. */
  readonly supports: boolean;
}

export interface DiagnosisEvidence {
  /** Positions of the tokens that a right answer has to use here; null when nobody marked any. */
  readonly relevant: readonly number[] | null;
  /** One sentence for people. */
  readonly summary: string;
  readonly numbers: readonly EvidenceNumber[];
  /** Causal probes: what was weakened or strengthened, and delta before and after. */
  readonly probes: readonly {
    readonly kind: "weaken" | "strengthen";
    readonly positions: readonly number[];
    readonly factor: number;
    readonly before: number;
    readonly after: number;
    readonly asClaimed: boolean;
  }[];
}

/** Settings of masking experiments, in the words of server/masking. */
export interface MaskingOptions {
  readonly rankings: readonly (Rule | "random" | "lowest")[];
  readonly replacements: readonly ("remove" | "neutral" | "mean" | "attention")[];
  readonly scope: "prompt" | "all";
  /** Tokens masked at most. */
  readonly budget: number;
  /** One random order each. */
  readonly seeds: readonly number[];
  /** New tokens of a rollout at most; 0 = no rollouts. */
  readonly rolloutTokens: number;
}

/** What stands where nothing is said. */
export const MASKING_OPTIONS: MaskingOptions = {
  rankings: ["attnlrp", "cplrp", "gradient", "random", "lowest"],
  replacements: ["attention"],
  scope: "prompt",
  budget: 10,
  seeds: [1, 2, 3],
  rolloutTokens: 256,
};

/** A masking curve as it is stored, beside the columns that lists filter by. */
export interface StoredCurve {
  /** Positions that could be masked, the one masked first in front. */
  readonly order: readonly number[];
  readonly positive: number | null;
  /** steps[k]: the first k positions masked. */
  readonly steps: readonly { readonly delta: number; readonly probability: number; readonly argmax: number }[];
  readonly rollouts: readonly {
    readonly tokens: number;
    readonly ids: readonly number[];
    readonly passed: boolean | null;
  }[];
  readonly comprehensiveness: { readonly probability: number; readonly delta: number };
  readonly sufficiency: { readonly probability: number; readonly delta: number };
}

/** A member of a series. */
export interface SeriesMember {
  readonly modelId: number;
  /** What people call it in plots: "0.6B", "step 1000". */
  readonly label: string;
  /** Where it stands on the axis: parameters, or training steps. */
  readonly position: number;
}
