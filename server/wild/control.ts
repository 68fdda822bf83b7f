/**
 * The control that the paper lacks: token pairs drawn by chance at answers that passed. At a place of such an answer the
 * token that the model chose is taken for a target, one of the next ranks for a contrast, delta above 1 as with clean
 * failures. How often is a diagnosis of it like that of a failure?
 */
import { and, asc, eq } from "drizzle-orm";
import type { LoadedModel, NextTokens, Tokenizer, TokenLogit } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { models, responses } from "../../schema/tables/tables.ts";
import { CLEAN_DELTA } from "../cases/clean_delta.ts";
import { randomStream, shuffled } from "../base/statistics/random.ts";
import type { SearchTokenizer } from "../search/criterion.ts";
import { spellsItself } from "../search/outcome.ts";
import { controlName } from "../cases/controls.ts";

/** Ranks below the first among which a contrast is drawn, as many as a search tries. */
const RANKS = 10;

/** A place of an answer, with a contrast above the least delta. */
export interface ControlPair {
  /** Counted from the completion's first token. */
  readonly position: number;
  readonly target: TokenLogit;
  readonly contrast: TokenLogit & { readonly rank: number };
}

/**
 * Draws a pair of an answer: the first place in a random order at which the answer's token is the model's choice, text
 * and tokens say the same, and a token of the next ranks lies more than 1 below. Undefined where there is none.
 *
 * @param next the largest logits at each place of the answer, [completion tokens][ranks], best first
 */
export function drawControl(
  promptIds: readonly number[],
  completionIds: readonly number[],
  next: NextTokens,
  tokenizer: SearchTokenizer,
  random: ReturnType<typeof randomStream>,
): ControlPair | undefined {
  const places = shuffled(completionIds.map((_, position) => position), random);
  for (const position of places) {
    const [target, ...others] = next[position] ?? [];
    if (target === undefined || target.id !== completionIds[position]) continue;
    const possible = others.map(({ id, logit }, index) => ({ id, logit, rank: index + 1 }))
      .filter(({ logit }) => target.logit - logit > CLEAN_DELTA);
    if (possible.length === 0) continue;
    const spelled = spellsItself(tokenizer, promptIds, completionIds.slice(0, position));
    if (!spelled) continue;
    const { id, logit } = target;
    return { position, target: { id, logit }, contrast: possible[random.below(possible.length)]! };
  }
  return undefined;
}

/** Lines of culprit/1: at most `count` controls of a benchmark, of passed answers in the order that the seed draws. */
export async function controlLines(
  db: Database,
  model: LoadedModel,
  tokenizer: Tokenizer,
  { name, benchmark, count, seed }: {
    readonly name: string;
    readonly benchmark: string;
    readonly count: number;
    readonly seed: number;
  },
): Promise<string[]> {
  const rows = await db.select({ response: responses }).from(responses)
    .innerJoin(models, eq(models.id, responses.modelId))
    .where(and(eq(models.name, name), eq(responses.benchmark, benchmark), eq(responses.passed, true)))
    .orderBy(asc(responses.key));
  const drawn = rows.map(({ response }) => response)
    .map((response) => ({ response, place: randomStream(seed, `control ${response.key}`).word() }))
    .sort((a, b) => a.place - b.place).map(({ response }) => response);
  const lines: string[] = [];
  for (const response of drawn) {
    if (lines.length === count) break;
    const { promptIds, completionIds, key } = response;
    if (completionIds.length === 0) continue;
    const [next] = await model.nextTokens([{
      inputIds: [...promptIds, ...completionIds.slice(0, -1)],
      from: promptIds.length - 1,
      top: RANKS + 1,
    }]);
    const pair = drawControl(promptIds, completionIds, next!, tokenizer, randomStream(seed, `control pair ${key}`));
    if (pair !== undefined) lines.push(JSON.stringify(lineOf(response, name, pair, tokenizer)));
  }
  return lines;
}

function lineOf(
  response: typeof responses.$inferSelect,
  model: string,
  { position, target, contrast }: ControlPair,
  tokenizer: Tokenizer,
) {
  const { promptIds, completionIds, item } = response;
  const before = completionIds.slice(0, position);
  const inputIds = [...promptIds, ...before];
  return {
    format: "culprit/1",
    key: `${response.key}@control`,
    benchmark: controlName(response.benchmark),
    task: response.task,
    model,
    prompt: response.prompt,
    prefix: tokenizer.decode(before),
    inputIds,
    promptTokens: promptIds.length,
    completion: response.completion,
    completionIds,
    target: { ...target, text: tokenizer.token(target.id) },
    contrast: { ...contrast, text: tokenizer.token(contrast.id) },
    delta: target.logit - contrast.logit,
    ...(item === null ? {} : { item }),
    metadata: { control: "a pair drawn by chance of an answer that passed" },
  };
}
