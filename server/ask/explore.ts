/** A response of a model, and at each of its tokens what else the model could have said. */
import type { GenerateRequest, GenerateResult, LoadedModel, RankedLogit, RunOptions } from "../../gpu/mod.ts";

/** What the model could have said instead. */
export interface Alternative extends RankedLogit {
  /** Rank among all logits at that position, 0 = the argmax. */
  readonly rank: number;
}

export interface ExploredToken extends RankedLogit {
  /** Counted from the response's first token. */
  readonly position: number;
  /** The largest other logits, largest first. */
  readonly alternatives: readonly Alternative[];
}

export interface Exploration {
  readonly tokens: readonly ExploredToken[];
  readonly stop: "eos" | "length";
  /** Where a thought was asked for: as the engine tells it. */
  readonly thought?: NonNullable<GenerateResult["thought"]>;
}

export interface ExploreRequest {
  /** Prompt, and the beginning of the response where it is given, [tokens]. */
  readonly inputIds: readonly number[];
  /** Tokens of the response at most. */
  readonly maxTokens: number;
  /** Lets the model think first. */
  readonly thought?: NonNullable<GenerateRequest["thought"]>;
  /** Other tokens shown at each token of the response. */
  readonly alternatives: number;
}

/**
 * Decodes greedily and ranks the logits at every token of the response; logits are raw, their probabilities beside them. Two passes: decoding
 * keeps no logits but the first ones. Throws InputError as the engine's `generate`.
 */
export async function explore(
  model: Pick<LoadedModel, "generate" | "nextTokens" | "score">,
  { alternatives, ...request }: ExploreRequest,
  options: RunOptions = {},
): Promise<Exploration> {
  const [response] = await model.generate([request], options);
  const { ids, stop, thought } = response!;
  const tokens = await rankTokens(model, { inputIds: request.inputIds, ids, alternatives }, options);
  return { stop: stop === "eos" ? stop : "length", tokens, ...(thought && { thought }) };
}

/** Ranks what else could stand at each token of a continuation of `inputIds` that is known. */
export async function rankTokens(
  model: Pick<LoadedModel, "nextTokens" | "score">,
  { inputIds, ids, alternatives }: {
    readonly inputIds: readonly number[];
    readonly ids: readonly number[];
    readonly alternatives: number;
  },
  options: RunOptions = {},
): Promise<ExploredToken[]> {
  if (ids.length === 0) return [];
  const whole = [...inputIds, ...ids.slice(0, -1)];
  const [places] = await model.nextTokens(
    [{ inputIds: whole, from: inputIds.length - 1, top: alternatives + 1 }],
    options,
  );
  return await Promise.all(ids.map(async (id, position): Promise<ExploredToken> => {
    const ranked = places![position]!.map((token, rank): Alternative => ({ ...token, rank }));
    const own = ranked.find((token) => token.id === id);
    // A token that somebody forced may stand far below the largest.
    const { logit, logProbability } = own ??
      await scoreToken(model, whole.slice(0, inputIds.length + position), id, options);
    return {
      position,
      id,
      logit,
      logProbability,
      alternatives: ranked.filter((token) => token !== own).slice(0, alternatives),
    };
  }));
}

async function scoreToken(
  model: Pick<LoadedModel, "score">,
  inputIds: readonly number[],
  id: number,
  options: RunOptions,
): Promise<RankedLogit> {
  const [scored] = await model.score([{ inputIds, tokens: [id] }], options);
  const { logit } = scored!.tokens[0]!;
  return { id, logit, logProbability: logit - scored!.logNormaliser };
}
