/**
 * Changes to a forward pass that ask "what if": other embeddings at some positions, other weight in the attention, heads
 * and neurons that write nothing.
 */
import type { Ablation, Intervention, Replacement } from "../engine.ts";
import { InputError } from "../errors.ts";
import { HIDDEN } from "../kernels/softmax.ts";
import type { ModelConfig } from "../model/config.ts";
import type { ModelDirectory } from "../model/directory.ts";
import { checkAblation, isNothing } from "./ablation.ts";
import { readEmbedding } from "./embedding.ts";

/** Largest |bias|, in logits: far past where a softmax in float32 has a single winner. */
export const MOST_BIAS = 1000;

/** An intervention as numbers, by position in its sequence. */
export interface Intervened {
  /** What enters the residual stream in place of the tokens' embeddings, [hidden]. */
  readonly embeddings: ReadonlyMap<number, Float32Array>;
  /** What is added to every attention score toward a position. */
  readonly bias: ReadonlyMap<number, number>;
  readonly ablation: Ablation;
}

/** No change. */
export const NOTHING_INTERVENED: Intervened = { embeddings: new Map(), bias: new Map(), ablation: {} };

/** Whether a request asks for no change. */
export const isPlain = ({ replace = [], hidden = [], attentionBias = [], ablate = {} }: Intervention): boolean =>
  replace.length + hidden.length + attentionBias.length === 0 && isNothing(ablate);

/** Throws InputError, naming the field, for positions, heads and neurons that are not there, ids or numbers out of range. */
export function checkIntervention(
  config: ModelConfig,
  tokens: number,
  { replace = [], hidden = [], attentionBias = [], ablate = {} }: Intervention,
): void {
  checkPositions("replace", tokens, replace.map(({ position }) => position));
  checkPositions("hidden", tokens, hidden);
  checkPositions("ablate.positions", tokens, ablate.positions ?? []);
  checkAblation(config, ablate);
  checkPositions("attentionBias", tokens, attentionBias.map(({ position }) => position));
  replace.forEach((replacement, index) => checkReplacement(config, replacement, `replace[${index}]`));
  attentionBias.forEach(({ bias }, index) => {
    if (Number.isFinite(bias) && Math.abs(bias) <= MOST_BIAS) return;
    throw new InputError(
      `${bias} is no bias`,
      `attentionBias[${index}]`,
      `use a number from -${MOST_BIAS} to ${MOST_BIAS}`,
    );
  });
}

function checkPositions(where: string, tokens: number, positions: readonly number[]): void {
  const seen = new Set<number>();
  positions.forEach((position, index) => {
    if (!Number.isInteger(position) || position < 0 || position >= tokens) {
      throw new InputError(
        `there is no position ${position} among ${tokens} tokens`,
        `${where}[${index}]`,
        `use whole numbers from 0 to ${tokens - 1}`,
      );
    }
    if (seen.has(position)) {
      throw new InputError(`position ${position} comes twice`, `${where}[${index}]`, "name each position once");
    }
    seen.add(position);
  });
}

function checkReplacement({ vocabulary, hidden }: ModelConfig, replacement: Replacement, where: string): void {
  if ("embedding" in replacement) {
    const { embedding } = replacement;
    if (embedding.length === hidden && embedding.every(Number.isFinite)) return;
    throw new InputError(
      `the embedding has ${embedding.length} numbers, or one that is not finite`,
      where,
      `give ${hidden} finite numbers`,
    );
  }
  const ids = "id" in replacement ? [replacement.id] : replacement.mean === "vocabulary" ? [0] : replacement.mean;
  if (ids.length === 0) throw new InputError("is the mean of no tokens", where, "name at least one token id");
  const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabulary);
  if (wrong === undefined) return;
  throw new InputError(
    `token id ${wrong} is not in the vocabulary of ${vocabulary}`,
    where,
    `use whole numbers from 0 to ${vocabulary - 1}`,
  );
}

/** A checked intervention as numbers. Reads embeddings from the model's files. */
export function intervene(
  model: ModelDirectory,
  { replace = [], hidden = [], attentionBias = [], ablate = {} }: Intervention,
): Intervened {
  return {
    embeddings: new Map(replace.map((replacement) => [replacement.position, embeddingOf(model, replacement)])),
    // A hidden position stays hidden, whatever its bias.
    bias: new Map([
      ...attentionBias.map(({ position, bias }) => [position, bias] as const),
      ...hidden.map((position) => [position, HIDDEN] as const),
    ]),
    ablation: ablate,
  };
}

function embeddingOf(model: ModelDirectory, replacement: Replacement): Float32Array {
  if ("embedding" in replacement) return replacement.embedding;
  if ("id" in replacement) return readEmbedding(model, replacement.id);
  const { vocabulary } = model.config;
  if (replacement.mean !== "vocabulary") return meanEmbedding(model, replacement.mean);
  let mean = vocabularyMeans.get(model);
  if (!mean) {
    mean = meanEmbedding(model, Array.from({ length: vocabulary }, (_, id) => id));
    vocabularyMeans.set(model, mean);
  }
  return mean;
}

/** Reading a large vocabulary takes seconds: once a model. */
const vocabularyMeans = new WeakMap<ModelDirectory, Float32Array>();

/** Summed in float64 in the order of the ids. */
function meanEmbedding(model: ModelDirectory, ids: readonly number[]): Float32Array {
  const sum = new Float64Array(model.config.hidden);
  for (const id of ids) readEmbedding(model, id).forEach((value, column) => sum[column]! += value);
  return Float32Array.from(sum, (value) => value / ids.length);
}
