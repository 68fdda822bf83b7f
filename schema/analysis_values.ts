/** Shapes of the JSON columns of graphs, diagnoses, masking experiments and series. */

import type { Rule } from "./values.ts";

/** What jobs on token pairs were asked to do; see JobInput. */
export type AnalysisInput =
  & {
    /** Row ids, ascending. */
    readonly tokenPairIds: readonly number[];
  }
  & ({ readonly kind: "build_graph"; readonly rule: Rule; readonly options: GraphOptions });

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
  /** Metrics of server/graph_metrics, by name. */
  readonly metrics: Readonly<Record<string, unknown>>;
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

/** A step of a masking curve. */
export interface CurvePoint {
  /** Tokens masked, 0 = none. */
  readonly masked: number;
  /** The token masked in this step; null for the first point. */
  readonly position: number | null;
  readonly delta: number;
  /** The argmax after this step. */
  readonly top: number;
  /** The checker's verdict on the rollout, where one was made. */
  readonly passed?: boolean | null;
}

/** A member of a series. */
export interface SeriesMember {
  readonly modelId: number;
  /** What people call it in plots: "0.6B", "step 1000". */
  readonly label: string;
  /** Where it stands on the axis: parameters, or training steps. */
  readonly position: number;
}
