/** What is stored of an attribution beside its vectors: scales and key tokens (docs/method.md, section 1). */
import { Buffer } from "node:buffer";
import type { AttributionResult } from "../../gpu/mod.ts";
import type { attributions } from "../../schema/tables/tables.ts";
import { engineName } from "../base/provenance.ts";

/** Below this a layer's largest relevance counts as nothing. */
const NOTHING = 1e-9;
/** Input tokens that the token filter knows an attribution by. */
const KEY_TOKENS = 10;

/** The case and pair that were attributed, as far as they matter here. */
export interface AttributedPair {
  readonly tokenPairId: number;
  readonly modelId: number;
  readonly benchmark: string;
  readonly targetText: string;
  readonly contrastText: string;
  readonly tokenTexts: readonly string[];
  /** One letter a token; S = special. */
  readonly segments: string;
}

/** The row of an attribution. */
export function attributionRow(pair: AttributedPair, result: AttributionResult): typeof attributions.$inferInsert {
  const tokenCount = result.inputIds.length;
  const layers = Array.from(
    { length: result.layers + 1 },
    (_, layer) => result.nodeRelevance.subarray(layer * tokenCount, (layer + 1) * tokenCount),
  );
  const isSpecial = (position: number) => pair.segments[position] === "S";
  return {
    tokenPairId: pair.tokenPairId,
    modelId: pair.modelId,
    benchmark: pair.benchmark,
    rule: result.rule,
    targetLogit: result.target.logit,
    contrastLogit: result.contrast.logit,
    logitDifference: result.logitDifference,
    layers: result.layers,
    tokenCount,
    relevance: Buffer.from(
      result.nodeRelevance.buffer as ArrayBuffer,
      result.nodeRelevance.byteOffset,
      result.nodeRelevance.byteLength,
    ),
    scales: layers.map((layer) => scaleOf(layer, (position) => !isSpecial(position))),
    scalesWithSpecial: layers.map((layer) => scaleOf(layer, () => true)),
    ...segmentSums(pair.segments, layers[0] ?? new Float32Array()),
    keyTokens: keyTokens(pair, layers[0] ?? new Float32Array(), isSpecial),
    adapter: result.adapter,
    engine: engineName(),
    seconds: result.seconds,
  };
}

/** max |R| over the tokens that count, 1 where that is nothing. */
function scaleOf(relevance: Float32Array, counts: (position: number) => boolean): number {
  let most = 0;
  relevance.forEach((value, position) => {
    if (counts(position)) most = Math.max(most, Math.abs(value));
  });
  return most < NOTHING ? 1 : most;
}

/** Sums of normalised relevance at the embeddings by segment; special tokens take no part in the scale. */
function segmentSums(segments: string, embeddings: Float32Array) {
  const scale = scaleOf(embeddings, (position) => segments[position] !== "S");
  const sum = (letter: string) =>
    embeddings.reduce((total, value, position) => segments[position] === letter ? total + value : total, 0) / scale;
  return { instructionSum: sum("I"), querySum: sum("Q"), answerSum: sum("A"), specialSum: sum("S") };
}

function keyTokens(pair: AttributedPair, embeddings: Float32Array, isSpecial: (position: number) => boolean): string[] {
  const strongest = Array.from(embeddings.keys()).filter((position) => !isSpecial(position))
    .sort((a, b) => Math.abs(embeddings[b]!) - Math.abs(embeddings[a]!)).slice(0, KEY_TOKENS);
  const texts = [pair.targetText, pair.contrastText, ...strongest.map((position) => pair.tokenTexts[position] ?? "")];
  return [...new Set(texts.map((text) => text.trim()).filter((text) => text !== ""))];
}
