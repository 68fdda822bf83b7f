/**
 * What the engine promises to the rooms above it: typed requests in, typed results and progress out.
 * Rules, signs and node layers are those of docs/method.md.
 */
import type { ModelConfig } from "./model/config.ts";

/** Backward rules: AttnLRP (arXiv 2402.05602), CP-LRP, and plain gradient times input. */
export const RULES = ["attnlrp", "cplrp", "gradient"] as const;
export type Rule = (typeof RULES)[number];

/** An adapter as people know it. `kind` says which of the adapter order's steps found it. */
export interface AdapterInfo {
  readonly kind: "hardware" | "system" | "bundled";
  /** The driver's own name, for example "SwiftShader Device (Subzero)". */
  readonly name: string;
  /** Lanes a subgroup, or 0 when the adapter has no subgroups. */
  readonly lanes: number;
  /** Largest single binding in bytes. */
  readonly bindingBytes: number;
}

export interface TokenLogit {
  readonly id: number;
  /** Raw logit, no softmax. */
  readonly logit: number;
}

/** One contrastive attribution: delta = logit[target] - logit[contrast] at the last position. */
export interface AttributionRequest {
  /** Token ids of prompt and completion prefix, [tokens]. */
  readonly inputIds: readonly number[];
  /** The wrong token; the argmax of the last position when left out. */
  readonly target?: number;
  /** The right alternative. */
  readonly contrast: number;
  readonly rule: Rule;
}

export interface AttributionResult {
  readonly rule: Rule;
  readonly inputIds: readonly number[];
  readonly target: TokenLogit;
  readonly contrast: TokenLogit;
  /** target.logit - contrast.logit */
  readonly logitDifference: number;
  /** Number of blocks; node layers are layers + 1. */
  readonly layers: number;
  /** Signed relevance in logit units, [layers + 1, tokens] row-major; row 0 = embeddings, row l = after block l. */
  readonly nodeRelevance: Float32Array;
  /** Driver's name of the adapter that computed it. */
  readonly adapter: string;
  /** Wall time of forward and backward, without loading. */
  readonly seconds: number;
}

/** A step of long work. `done` of `total` are counted in the unit of the phase (bytes when loading, blocks else). */
export interface Progress {
  readonly phase: "load" | "forward" | "backward";
  readonly done: number;
  readonly total: number;
}

export interface RunOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/** A model whose weights are on the device. Calls on one model are run one after another. */
export interface LoadedModel {
  readonly directory: string;
  readonly config: ModelConfig;
  readonly adapter: AdapterInfo;
  /** Throws InputError for ids out of range, no ids, too many ids, or a target equal to the contrast. */
  attribute(request: AttributionRequest, options?: RunOptions): Promise<AttributionResult>;
  /**
   * Several attributions of one rule in one pass over the device; each result equals that of the request alone up to
   * rounding. `seconds` is the time of the whole pack. Throws as `attribute`, before anything runs.
   */
  attributeMany(requests: readonly AttributionRequest[], options?: RunOptions): Promise<readonly AttributionResult[]>;
  /** Logits at the last position, [vocabulary]. */
  logits(inputIds: readonly number[], options?: RunOptions): Promise<Float32Array>;
  /** Frees the device memory of the weights. */
  dispose(): void;
}

export interface Engine {
  readonly adapter: AdapterInfo;
  /** Resolves with the driver's reason when the device is lost; the process should then be replaced. */
  readonly lost: Promise<string>;
  /** Loads a Hugging Face style model directory. Throws InputError when a file is missing, broken or not supported. */
  loadModel(directory: string, options?: RunOptions): Promise<LoadedModel>;
  close(): void;
}
