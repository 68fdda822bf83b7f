/**
 * What the engine promises to the rooms above it: typed requests in, typed results and progress out.
 * Rules, signs and node layers are those of docs/method.md.
 */
import type { AdapterInfo, FoundAdapter } from "./device/adapter_info.ts";
import type { Lane } from "./device/lanes.ts";
import type { ModelConfig } from "./model/config.ts";

export type { AdapterInfo, FoundAdapter, Lane };

/** Backward rules: AttnLRP (arXiv 2402.05602), CP-LRP, and plain gradient times input. */
export const RULES = ["attnlrp", "cplrp", "gradient"] as const;
export type Rule = (typeof RULES)[number];

export interface TokenLogit {
  readonly id: number;
  /** Raw logit, no softmax. */
  readonly logit: number;
}

/** A logit among all of its position. */
export interface RankedLogit extends TokenLogit {
  /** Logarithm of its probability: the logit without the position's log-sum-exp. Never above 0 but for rounding. */
  readonly logProbability: number;
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

/** One addend of a seed: factor x (logit[target] - logit[contrast]), the logits being those after `position`. */
export interface SeedTerm {
  /** From 0; the logits there are those of the token at `position` + 1. */
  readonly position: number;
  readonly target: number;
  /** A token, the mean over the whole vocabulary, or nothing. */
  readonly contrast: number | "mean" | null;
  readonly factor: number;
}

/**
 * Attribution of a seed: any linear functional of the logits of one sequence, the sum of its terms. All objectives are
 * seeds: a token pair is one term of factor 1 at the last position; a step of a trace has a term for each of its tokens.
 * Terms may stand in any order and share positions. Relevance is linear in the seed (docs/method.md section 4), so that
 * of a seed is the sum of those of its terms. What an objective asks of the logits (rivals, the top k) is asked before,
 * by `nextTokens`.
 */
export interface SeedRequest {
  /** Token ids, [tokens]; those behind the last position of a term have no relevance. */
  readonly inputIds: readonly number[];
  readonly seed: readonly SeedTerm[];
  readonly rule: Rule;
}

/** What every attribution finds. */
export interface RelevanceResult {
  readonly rule: Rule;
  readonly inputIds: readonly number[];
  /** Number of blocks; node layers are layers + 1. */
  readonly layers: number;
  /** Signed relevance in logit units, [layers + 1, tokens] row-major; row 0 = embeddings, row l = after block l. */
  readonly nodeRelevance: Float32Array;
  /** Driver's name of the adapter that computed it. */
  readonly adapter: string;
  /** Wall time of forward and backward, without loading. */
  readonly seconds: number;
}

export interface AttributionResult extends RelevanceResult {
  readonly target: TokenLogit;
  readonly contrast: TokenLogit;
  /** target.logit - contrast.logit */
  readonly logitDifference: number;
}

/** A term with its logits; `contrastLogit` is that of the token or the mean, 0 where there is no contrast. */
export interface SeedTermLogits extends SeedTerm {
  readonly targetLogit: number;
  readonly contrastLogit: number;
}

export interface SeedResult extends RelevanceResult {
  /** In the order of the request. */
  readonly terms: readonly SeedTermLogits[];
  /** What is explained: the sum of factor x (targetLogit - contrastLogit). */
  readonly value: number;
}

/** How an attribution graph over node layers is built; method.md section 3. Fields left out take GRAPH_DEFAULTS. */
export interface GraphSettings {
  /** Ascending node layers; transitions join neighbours in the list. Default: all layers. */
  readonly transitions?: readonly number[];
  /** Share of the absolute edge weights that a transition keeps, more than 0 to 1. */
  readonly mass?: number;
  /**
   * Only targets with a raw |relevance| above this, in logits, get edges (0: all); the tokens of the last layer that the
   * objective reads do: the last one, or a seed's positions.
   */
  readonly minRelevance?: number;
  /** Whether edges must lead to what the objective reads of the last layer. */
  readonly reach?: "last" | "all";
  /** Splits every kept edge by head into its OV and QK part; adjacent layers under AttnLRP and CP-LRP only. */
  readonly heads?: boolean;
  /** Edges that a graph keeps at most. */
  readonly edgeBudget?: number;
}

export interface GraphRequest extends AttributionRequest, GraphSettings {}
export interface SeedGraphRequest extends SeedRequest, GraphSettings {}

/** The terms of a transition's edges by head, in the order of its edges. */
export interface HeadEdges {
  readonly heads: number;
  /** [edges, heads, (ov, qk)]; a diagonal edge has its residual and query terms besides. */
  readonly terms: Float32Array;
}

/** Edges from node layer `source` to node layer `target`, and what was dropped. */
export interface Transition {
  readonly source: number;
  readonly target: number;
  /** Source token, target token and signed weight in logits; ordered by target, then source. */
  readonly edges: { readonly sources: Uint32Array; readonly targets: Uint32Array; readonly weights: Float32Array };
  /** Smallest |weight| that the mass rule keeps. */
  readonly threshold: number;
  /** Target tokens above minRelevance, and the edges into them. */
  readonly rows: number;
  readonly candidates: number;
  /** Sum of |weight| of the candidates, and the share of it that stays. */
  readonly totalMass: number;
  readonly keptMass: number;
  /** Edges that the mass rule kept and that were dropped for not reaching the last token, or by the edge budget. */
  readonly droppedByReach: number;
  readonly droppedByBudget: number;
  /** max_i |sum_j A_ji - R_i| / max |R| over the edges that stay, R the relevance of the source layer. */
  readonly columnError: number;
  readonly headEdges?: HeadEdges;
}

export interface GraphEdges {
  /** The node layers that transitions join. */
  readonly nodeLayers: readonly number[];
  /** From the first layers to the last. */
  readonly transitions: readonly Transition[];
}

export interface GraphResult extends AttributionResult, GraphEdges {}
export interface SeedGraphResult extends SeedResult, GraphEdges {}

/** A node of the graph: a token after a block (layer l) or as embedded (layer 0). */
export interface NodePlace {
  readonly layer: number;
  readonly token: number;
}

/** Which heads and neurons wrote what a node is relevant for; docs/method.md section 4. */
export interface ComponentsRequest extends AttributionRequest {
  /** Nodes of layers from 1 on: those of layer l are parts of block l. Default: the last token of every such layer. */
  readonly nodes?: readonly NodePlace[];
  /** Heads and neurons of a node at most, those of largest |relevance|; default 10. */
  readonly top?: number;
}

/** A head or neuron by its number in the block, and its relevance in logits; a neuron of an expert by both numbers. */
export interface Component {
  readonly index: number;
  readonly expert?: number;
  readonly relevance: number;
}

/**
 * The parts of a node's block at its token. g is the gradient at the node, g1 the gradient between attention and MLP.
 * Heads: what head h writes times its gradient, summed; neurons: w_k dw_k with w what goes into the projection down. Where
 * norms are linear (AttnLRP, CP-LRP; blocks without norms of outputs under every rule) all heads sum to <attention's
 * output, g1> and all neurons to <MLP's output, g>, biases of those outputs left out.
 */
export interface NodeComponents extends NodePlace {
  /** <h, g> of the node. */
  readonly relevance: number;
  /** Largest |relevance| first. */
  readonly heads: readonly Component[];
  readonly neurons: readonly Component[];
  /** Sums over all heads, all neurons. */
  readonly attention: number;
  readonly mlp: number;
  /** <x, g1> of what passes attention by, and <middle, g> of what passes the MLP by. */
  readonly aroundAttention: number;
  readonly aroundMlp: number;
}

export interface ComponentsResult extends AttributionResult {
  /** In the order of the request's nodes. */
  readonly nodes: readonly NodeComponents[];
}

/** What every head and every neuron is relevant for, summed over all tokens. */
export interface ComponentTotalsResult extends AttributionResult {
  /** By block from the first: [heads], in logits. */
  readonly heads: readonly Float32Array[];
  /** By block from the first: [neurons]; in a block of experts [experts, neurons of each]. */
  readonly neurons: readonly Float32Array[];
}

/**
 * One way into a node of layer l at its token: through a neuron or a head of block l, or around its MLP or attention by
 * the residual stream.
 */
export type ComponentTarget =
  & NodePlace
  & (
    | { readonly kind: "head"; readonly index: number }
    /** In blocks of experts a neuron is named by its expert too. */
    | { readonly kind: "neuron"; readonly index: number; readonly expert?: number }
    | { readonly kind: "around-mlp" | "around-attention" }
  );

/** Edges into single heads and neurons, by packed vector-Jacobian products. */
export interface ComponentEdgesRequest extends AttributionRequest {
  readonly targets: readonly ComponentTarget[];
  /** Node layers that edges start from, ascending; a target has edges from those below it. Default: [0]. */
  readonly sources?: readonly number[];
}

/**
 * Edges into one component. Those into all neurons of a node and around its MLP sum to the edges into the node, and so
 * do those into all its heads and around its attention.
 */
export interface ComponentEdges {
  readonly target: ComponentTarget;
  /** As in NodeComponents. */
  readonly relevance: number;
  /** For each source layer below the target: weights[i] of source token i, [token + 1]. */
  readonly sources: readonly { readonly layer: number; readonly weights: Float32Array }[];
}

export interface ComponentEdgesResult {
  readonly target: TokenLogit;
  readonly contrast: TokenLogit;
  /** In the order of the request's targets. */
  readonly components: readonly ComponentEdges[];
  readonly adapter: string;
  readonly seconds: number;
}

/**
 * An embedding in place of a token's own at one position: another token's, a mean, or any vector [hidden], as it enters
 * the residual stream (node layer 0).
 */
export type Replacement =
  & { readonly position: number }
  & (
    | { readonly id: number }
    /** Over every row of the embedding matrix, or over these ids. */
    | { readonly mean: "vocabulary" | readonly number[] }
    | { readonly embedding: Float32Array }
  );

/** A head of block `layer`, counted from 1 as the node layer after it; heads count from 0. */
export interface HeadName {
  readonly layer: number;
  readonly index: number;
}

/** A neuron of block `layer`, from 0; in a block of experts it is named by its expert too. */
export interface NeuronName extends HeadName {
  readonly expert?: number;
}

/**
 * Heads and neurons whose output is zero: the head's part of what the attention's output projection reads, the neuron's
 * activation before the projection down. Biases of those projections stay, and so do an expert's share and the choice of
 * experts.
 */
export interface Ablation {
  readonly heads?: readonly HeadName[];
  readonly neurons?: readonly NeuronName[];
  /** Where, among the positions of the prompt; default: everywhere, tokens that are generated included. */
  readonly positions?: readonly number[];
}

/**
 * Changes to a forward pass; positions count from 0, and none may be named twice in a list. Positions of rotary
 * embedding stay as they are. A token that is to be removed is left out of `inputIds`: what follows it then moves up.
 */
export interface Intervention {
  readonly replace?: readonly Replacement[];
  /**
   * Positions that no query sees in any layer and head, itself included: all that they write is lost, but for what the
   * last position, if it is among them, carries to the prediction in its own residual stream. A query to whom all keys
   * are hidden reads zeros. Position 0 is hidden only when it is named.
   */
  readonly hidden?: readonly number[];
  /**
   * Numbers of at most 1000 added to every scaled attention score toward a position, in all layers and heads, the
   * position's own query included: log c multiplies its weight before normalisation by c.
   */
  readonly attentionBias?: readonly { readonly position: number; readonly bias: number }[];
  readonly ablate?: Ablation;
}

/** One question about the last position's prediction under an intervention. */
export interface ScoreRequest extends Intervention {
  readonly inputIds: readonly number[];
  /** Default: the argmax. */
  readonly target?: number;
  readonly contrast?: number;
  /** Other ids whose logits are wanted. */
  readonly tokens?: readonly number[];
  /** How many of the largest logits to give; default 0. */
  readonly top?: number;
}

/** How probable a continuation is, token by token, under an intervention; that concerns the input alone. */
export interface ContinuationRequest extends Intervention {
  readonly inputIds: readonly number[];
  /** Tokens behind the input, at least one. */
  readonly continuation: readonly number[];
}

export interface ScoreResult {
  /** The largest logit; the lowest id where several are equal. */
  readonly argmax: TokenLogit;
  readonly target: TokenLogit;
  readonly contrast: TokenLogit | null;
  /** target.logit - contrast.logit */
  readonly logitDifference: number | null;
  /** In the order of the request. */
  readonly tokens: readonly TokenLogit[];
  /** Largest logit first. */
  readonly top: readonly TokenLogit[];
  /** log of the sum of exp(logit) over the vocabulary: log p(id) = logit - logNormaliser. */
  readonly logNormaliser: number;
}

/** A thought before the answer, with a budget. */
export interface ThoughtRequest {
  /** New tokens of the thought at most. */
  readonly budget: number;
  /**
   * Where the thought ends among the new tokens: how many they are up to its end; 0 where the answer begins without one;
   * undefined while it goes on. Asked after every token.
   */
  readonly endOf: (ids: readonly number[]) => number | undefined;
  /** Tokens that close the thought when its budget is used up; the answer goes on after them. */
  readonly ending: readonly number[];
}

export interface GenerateRequest extends Intervention {
  readonly inputIds: readonly number[];
  /**
   * New tokens at most; those of a thought come on top of them. Interventions concern the prompt, and stay while tokens
   * are added.
   */
  readonly maxTokens: number;
  readonly thought?: ThoughtRequest;
  /** Fixes the first new token: a recovery rollout. */
  readonly force?: number;
  /** How many of the largest logits at the first new position to give; default 0. */
  readonly top?: number;
  /** Asked after each new token, with all of them: true ends the completion with that token. */
  readonly until?: (ids: readonly number[]) => boolean;
}

export interface GenerateResult {
  /** New tokens; the token that ended the completion is not among them. */
  readonly ids: readonly number[];
  readonly stop: "eos" | "length" | "until";
  /** The token that ended it; null where the limit or `until` did. */
  readonly end: number | null;
  /** Candidates at the first new position, largest logit first. */
  readonly first: readonly TokenLogit[];
  /**
   * Where a thought was asked for: how many of the ids it takes with its end, 0 where there was none, and how many of
   * those at its end were put in since its budget was used up.
   */
  readonly thought?: { readonly tokens: number; readonly inserted: number };
}

/** What a model would say next at each position of a sequence from one position on, given the tokens before. */
export interface NextTokensRequest extends Intervention {
  readonly inputIds: readonly number[];
  /** The first position, counted from 0, whose next token is wanted. */
  readonly from: number;
  /** The position behind the last one whose next token is wanted; by default that of the last token. */
  readonly to?: number;
  /** How many of the largest logits to give. */
  readonly top: number;
}

/** For each position from `from` to the last one that is wanted: the largest logits of the token after it, largest first. */
export type NextTokens = readonly (readonly RankedLogit[])[];

/** A step of long work. `done` of `total` count bytes when loading, edges' targets for edges,
 * tokens for decode, blocks else. */
export interface Progress {
  readonly phase: "load" | "forward" | "backward" | "edges" | "prefill" | "decode";
  readonly done: number;
  readonly total: number;
}

export interface RunOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
  /** Of generating: the new tokens of each request so far, in the order of the requests, after every few steps. */
  readonly onTokens?: (ids: readonly (readonly number[])[]) => void;
  /** Default: batch. */
  readonly lane?: Lane;
}

/** A model whose weights are on the device. Calls on one model are run one after another in each lane. */
export interface LoadedModel {
  readonly directory: string;
  readonly config: ModelConfig;
  readonly adapter: AdapterInfo;
  /** Throws InputError for ids out of range, no ids, too many ids, or a target equal to the contrast. */
  attribute(request: AttributionRequest, options?: RunOptions): Promise<AttributionResult>;
  /**
   * Any number of attributions, in their order: split into packs that fit the device, each one pass over it. Requests of
   * one prompt share its forward pass: several token pairs, rules, and positions, that is prompts of which one is the
   * other's beginning. Each result equals that of the request alone, to the last bit; its `seconds` are its whole pack's.
   * Throws as `attribute`, before anything runs.
   */
  attributeMany(requests: readonly AttributionRequest[], options?: RunOptions): Promise<readonly AttributionResult[]>;
  /**
   * Attributions of seeds, packed as those of `attributeMany`: seeds of one sequence, or of its beginnings, share its
   * forward pass. Each result equals that of the request alone, to the last bit. Throws InputError for ids, positions
   * or factors that make no sense, and for what does not fit into memory.
   */
  attributeSeeds(requests: readonly SeedRequest[], options?: RunOptions): Promise<readonly SeedResult[]>;
  /** Attribution and its graph. Throws as `attribute`, and for transitions or bounds that make no sense. */
  graph(request: GraphRequest, options?: RunOptions): Promise<GraphResult>;
  /** The same of a seed. Throws as `attributeSeeds`. */
  graphOfSeed(request: SeedGraphRequest, options?: RunOptions): Promise<SeedGraphResult>;
  /** Attribution, and the relevance of heads and neurons of chosen nodes. Throws as `attribute`, and for nodes that are not there. */
  components(request: ComponentsRequest, options?: RunOptions): Promise<ComponentsResult>;
  /** Attribution, and the relevance of every head and neuron over all tokens together. Throws as `attribute`. */
  componentTotals(request: AttributionRequest, options?: RunOptions): Promise<ComponentTotalsResult>;
  /** Edges into chosen heads and neurons. Throws as `attribute`, and for components and layers that are not there. */
  componentEdges(request: ComponentEdgesRequest, options?: RunOptions): Promise<ComponentEdgesResult>;
  /**
   * Greedy completions of several prompts at once, in their order; each is that of the request alone, to the last bit.
   * A prompt that is the beginning of another one is computed once for both. Throws InputError for ids out of range,
   * and for more tokens than the model's context takes.
   */
  generate(requests: readonly GenerateRequest[], options?: RunOptions): Promise<readonly GenerateResult[]>;
  /**
   * Last-position logits of many requests, under interventions, in packs; in their order. Each result equals that of
   * the request alone, to the last bit. Throws InputError for ids, positions or numbers out of range.
   */
  score(requests: readonly ScoreRequest[], options?: RunOptions): Promise<readonly ScoreResult[]>;
  /**
   * Log probabilities of continuations in nats, [requests][continuation tokens], teacher-forced: a continuation costs one
   * pass, as `score` of each of its tokens costs one each. Throws InputError for ids, positions or numbers out of range.
   */
  scoreContinuations(
    requests: readonly ContinuationRequest[],
    options?: RunOptions,
  ): Promise<readonly (readonly number[])[]>;
  /**
   * The best next tokens at many positions, of all requests in packs; each result is that of the request alone, to the
   * last bit. Throws InputError for ids or positions out of range.
   */
  nextTokens(requests: readonly NextTokensRequest[], options?: RunOptions): Promise<readonly NextTokens[]>;
  /** Logits at the last position, [vocabulary]. */
  logits(inputIds: readonly number[], options?: RunOptions): Promise<Float32Array>;
  /** Frees the device memory of the weights. */
  dispose(): void;
}

/** A run that can be planned: attributions, or a graph. */
export type PlannedRun =
  | { readonly kind: "attribute"; readonly requests: readonly (AttributionRequest | SeedRequest)[] }
  | { readonly kind: "graph"; readonly request: GraphRequest | SeedGraphRequest };

/** What a run will take, loading the model included; docs/planning.md. */
export interface RunPlan {
  /** Largest sum of device memory. */
  readonly gpuBytes: number;
  /**
   * Largest resident memory of the process beside gpuBytes. A software adapter's device memory is the process's own, so
   * there gpuBytes + hostBytes is its largest resident memory.
   */
  readonly hostBytes: number;
  /** From the loaded model to the result, the first in its process. */
  readonly seconds: number;
  readonly fits: boolean;
  /** One line that says with which numbers. */
  readonly why: string;
}

/** An error relative to the largest value, and whether it is as small as it must be. */
export interface CheckedValue {
  readonly error: number;
  readonly holds: boolean;
}

/** Node relevance of a golden model against what LXT on transformers computed, the worst of its cases. */
export interface GoldenCheck extends CheckedValue {
  readonly model: string;
  readonly rule: Rule;
}

/** Whether an adapter computes right numbers. */
export interface AdapterCheck {
  readonly golden: readonly GoldenCheck[];
  /** CP-LRP's relevance against the logit difference that it sums to at every node layer. */
  readonly conservation: CheckedValue;
  /** Small products against plain TypeScript. */
  readonly product: CheckedValue;
  /** All of them. */
  readonly holds: boolean;
}

/** About what an attribution takes. */
export interface AttributionEstimate {
  /** Of the model. */
  readonly parameters: number;
  /** Of the prompt. */
  readonly tokens: number;
  readonly seconds: number;
  /** Of the weights, in bf16. */
  readonly weightBytes: number;
  /** Whether the weights fit the memory that is free; null where nobody tells. */
  readonly fits: boolean | null;
}

export interface AdapterSpeed {
  /** Of the best weight product, in 10^9 floating point operations a second. */
  readonly gflops: number;
  readonly estimates: readonly AttributionEstimate[];
}

export interface Engine {
  readonly adapter: AdapterInfo;
  /** Resolves with the driver's reason when the device is lost; the process should then be replaced. */
  readonly lost: Promise<string>;
  /** Device memory of the buffers that are allocated now, in bytes. */
  gpuBytes(): number;
  /**
   * Memory of the process that the JavaScript runtime keeps of work long done and never gives back, in bytes, counted from
   * what the work made: a process that computes for days should be replaced now and then.
   */
  wasteBytes(): number;
  /** Device memory that its buffers may take in all, in bytes; null where nobody tells. */
  memoryBytes(): number | null;
  /**
   * Runs what a person waits for, calls of models in the interactive lane among it: batches pause between two of their
   * submissions until it ends, and for some seconds at most.
   */
  hurry<Result>(work: () => Promise<Result>): Promise<Result>;
  /** Loads a Hugging Face style model directory. Throws InputError when a file is missing, broken or not supported. */
  loadModel(directory: string, options?: RunOptions): Promise<LoadedModel>;
  /**
   * Predicts what a run with a model would take, without loading it; a short trial of the adapter's speed is measured
   * once and kept. Throws InputError as the run itself would for bad requests and directories.
   */
  plan(directory: string, run: PlannedRun): Promise<RunPlan>;
  /** Checks that the adapter computes right numbers, by the golden models that come with the project; `short`: one case. */
  check(options?: { readonly short?: boolean }): Promise<AdapterCheck>;
  /** Measures how fast it multiplies, some seconds. */
  measureSpeed(): Promise<AdapterSpeed>;
  close(): void;
}
