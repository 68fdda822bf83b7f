/** What is known of a token pair: its attribution in words, and its heatmap as a picture. */
import { ApiError } from "./api.ts";
import { READ_PAIR, READ_TOKENS } from "./documents.ts";
import { type HeatToken } from "../../figures/heat_picture.tsx";
import { heatmapPicture } from "./heatmap_picture.ts";
import { quoted, signed, type ToolContext, type ToolResult } from "./tool.ts";

interface StrongToken {
  readonly position: number;
  readonly text: string;
  readonly relevance: number;
}
interface PairToken {
  readonly id: number;
  readonly text: string;
  readonly logit: number;
}
export interface PairReading {
  readonly id: string;
  readonly failureCase: { readonly id: string; readonly key: string; readonly tokenCount: number };
  readonly attribution: {
    readonly rule: string;
    readonly logitDifference: number;
    readonly scale: number;
    readonly outcome: string | null;
    readonly pattern: string | null;
    readonly model: { readonly name: string };
    readonly target: PairToken;
    readonly contrast: PairToken;
    readonly wrong: readonly StrongToken[];
    readonly right: readonly StrongToken[];
    readonly diagnosis: { readonly summary: string } | null;
  } | null;
}

/** Throws ApiError when there is no such pair. */
export async function readPair(id: string, rule: string, { api, signal }: ToolContext): Promise<PairReading> {
  const { node } = await api.ask<{ node: PairReading | null }>(READ_PAIR, { id, rule }, signal).catch((error) => {
    if (error instanceof ApiError && error.message.startsWith("Invalid global ID")) return { node: null };
    throw error;
  });
  if (node?.failureCase === undefined) {
    throw new ApiError(`pair: there is no token pair ${quoted(id)}; find_failures has some`);
  }
  return node;
}

/** Largest context whose tokens are drawn; of a longer one the text tells the strongest. */
const MOST_TOKENS = 8192;

/** Words and heatmap of an attributed pair; `marked` positions are struck through. */
export async function describePair(
  { id, failureCase, attribution }: PairReading,
  context: ToolContext,
  marked: readonly number[] = [],
): Promise<ToolResult> {
  if (attribution === null) throw new ApiError(`pair: ${id} is not attributed under this rule`);
  const { rule, logitDifference, scale, outcome, pattern, model, target, contrast, diagnosis } = attribution;
  const side = (tokens: readonly StrongToken[]) =>
    tokens.map(({ position, text, relevance }) => `${quoted(text)} (${position}) ${signed(relevance)}`).join(", ");
  const verdict = [outcome, pattern].filter((one) => one !== null).join(", ");
  const text = [
    `${model.name} wrote ${quoted(target.text)} (logit ${target.logit.toFixed(3)}), not ${quoted(contrast.text)} ` +
    `(${contrast.logit.toFixed(3)}): delta ${logitDifference.toFixed(3)}, ${rule}.`,
    `For the wrong token (position, logits): ${side(attribution.wrong) || "none"}.`,
    `For the right token: ${side(attribution.right) || "none"}.`,
    ...(diagnosis === null ? [] : [`Diagnosis ${verdict}: ${diagnosis.summary}`]),
    `case ${failureCase.key}, pair ${id}` +
    (context.api.page === undefined ? "" : `, ${context.api.page}/#/case/${encodeURIComponent(failureCase.id)}`),
  ].join("\n");
  const { tokenCount } = failureCase;
  if (tokenCount > MOST_TOKENS) return { text: `${text}\n(${tokenCount} tokens are too many for a picture)` };
  const tokens = await readTokens(failureCase, { id, rule, scale }, context);
  const note = `${model.name}: ${quoted(target.text)} instead of ${quoted(contrast.text)}, delta ${
    logitDifference.toFixed(3)
  }, ${rule}. Red supports the wrong token, blue the right one.`;
  return {
    text,
    picture: await heatmapPicture({
      name: "heatmap",
      title: "Heatmap",
      note,
      tokens: tokens.map((token, position) => ({ ...token, struck: marked.includes(position) })),
      target: target.text,
      contrast: contrast.text,
    }),
  };
}

async function readTokens(
  { id: failureCase, tokenCount }: PairReading["failureCase"],
  { id: pair, rule, scale }: { readonly id: string; readonly rule: string; readonly scale: number },
  { api, signal }: ToolContext,
): Promise<HeatToken[]> {
  const tokens: HeatToken[] = [];
  while (tokens.length < tokenCount) {
    const variables = { case: failureCase, pair, rule, from: tokens.length };
    const window = await api.ask<{
      failureCase: { tokens: readonly { text: string; segment: Uppercase<HeatToken["segment"]>; special: boolean }[] };
      pair: { attribution: { relevance: readonly number[] } };
    }>(READ_TOKENS, variables, signal);
    const { relevance } = window.pair.attribution;
    if (relevance.length === 0) break;
    tokens.push(...window.failureCase.tokens.map(({ text, segment, special }, at) => ({
      text,
      segment: segment.toLowerCase() as HeatToken["segment"],
      raw: relevance[at]!,
      value: special ? null : relevance[at]! / scale,
    })));
  }
  return tokens;
}
