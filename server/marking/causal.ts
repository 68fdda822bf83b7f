/**
 * Causal marks (docs/marks.md): which sentences of a prompt the right continuation needs. Attention to one sentence after
 * another is masked, and what that takes away from the right continuation is compared with what it takes away from the
 * wrong one: forward passes only, all of them packed.
 */
import type { ContinuationRequest, LoadedModel, RunOptions } from "../../gpu/mod.ts";
import type { SentenceEffect } from "../../schema/tables/analysis_values.ts";

/** Changes with the numbers below and with how sentences are cut: stored marks of another version are made anew. */
export const CAUSAL_VERSION = "1";
/** Tokens of a continuation that are scored: what comes later follows from them. */
export const CONTINUATION_TOKENS = 8;
/** Nats a token that a marked sentence takes away from the right continuation beyond the wrong one, at least. */
const LEAST_EFFECT = 0.05;
/** Of the largest effect of the prompt, at least. */
const LEAST_SHARE = 0.5;

/** A sentence of the prompt and its tokens; tokens that steer the chat are none of them. */
export interface PromptSentence {
  readonly text: string;
  readonly positions: readonly number[];
}

/** What follows the prompt and the answer before the error. */
export interface Continuations {
  /** [tokens] */
  readonly inputIds: readonly number[];
  /** The contrast and its passing rollout. */
  readonly right: readonly number[];
  /** The target and what the model wrote after it. */
  readonly wrong: readonly number[];
}

/** What each sentence does, in their order. Throws as the engine's `scoreContinuations`. */
export async function sentenceEffects(
  engine: Pick<LoadedModel, "scoreContinuations">,
  { inputIds, right, wrong }: Continuations,
  sentences: readonly PromptSentence[],
  options: RunOptions = {},
): Promise<SentenceEffect[]> {
  const masks = [[], ...sentences.map(({ positions }) => positions)];
  const requests = masks.flatMap((hidden) =>
    [right, wrong].map((continuation): ContinuationRequest => ({ inputIds, continuation, hidden }))
  );
  const logs = await engine.scoreContinuations(requests, options);
  const means = masks.map((_, mask) => ({ right: average(logs[2 * mask]!), wrong: average(logs[2 * mask + 1]!) }));
  const [whole, ...masked] = means as [typeof means[number], ...typeof means];
  return marked(
    sentences.map(({ text }, index) => ({
      text,
      right: whole.right - masked[index]!.right,
      wrong: whole.wrong - masked[index]!.wrong,
    })),
  );
}

/** Says which sentences count. */
function marked(effects: readonly Omit<SentenceEffect, "marked">[]): SentenceEffect[] {
  const most = Math.max(0, ...effects.map(({ right, wrong }) => right - wrong));
  return effects.map((effect) => {
    const more = effect.right - effect.wrong;
    return { ...effect, marked: effect.right > 0 && more >= LEAST_EFFECT && more >= LEAST_SHARE * most };
  });
}

const average = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
