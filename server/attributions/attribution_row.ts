/** What is stored of an attribution beside its vectors: scales and key tokens (docs/method.md, section 1). */
import { Buffer } from "node:buffer";
import type { AttributionResult } from "../../gpu/mod.ts";
import type { attributions } from "../../schema/tables/tables.ts";
import { computedBy } from "../base/provenance.ts";
import type { MarkOrigin } from "../marks/found_marks.ts";
import { scaleOf, segmentSums } from "./segment_sums.ts";

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
  /** Where its marks come from; nobody marked any where it is left out. */
  readonly marksOrigin?: MarkOrigin | null;
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
    marksOrigin: pair.marksOrigin ?? null,
    keyTokens: keyTokens(pair, layers[0] ?? new Float32Array(), isSpecial),
    adapter: result.adapter,
    ...computedBy(),
    seconds: result.seconds,
  };
}

function keyTokens(pair: AttributedPair, embeddings: Float32Array, isSpecial: (position: number) => boolean): string[] {
  const strongest = Array.from(embeddings.keys()).filter((position) => !isSpecial(position))
    .sort((a, b) => Math.abs(embeddings[b]!) - Math.abs(embeddings[a]!)).slice(0, KEY_TOKENS);
  const texts = [pair.targetText, pair.contrastText, ...strongest.map((position) => pair.tokenTexts[position] ?? "")];
  return [...new Set(texts.map((text) => text.trim()).filter((text) => text !== ""))];
}
