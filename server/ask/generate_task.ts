/** Performs a GENERATE job: decodes a response, told while it grows, and ranks what else could have been said. */
import { eq } from "drizzle-orm";
import type { GenerateRequest, LoadedModel, Tokenizer } from "../../gpu/mod.ts";
import { type GeneratedToken, generations } from "../../schema/tables/ask_tables.ts";
import type { GenerateInput } from "../../schema/tables/ask_values.ts";
import { storable } from "../cases/place_case.ts";
import { reportProgress } from "../jobs/jobs.ts";
import { answerAfter, growingThought, openThinking, type Thinking, thoughtOf } from "../models/thinking.ts";
import { rankTokens } from "./explore.ts";
import type { AskWork } from "./ask_work.ts";

/** Least time between two looks at a growing response, in milliseconds. */
const TELL_MS = 150;

/** Computes the response, and returns what writes it. Throws InputError for a prompt that the model cannot take. */
export async function performGenerate({ db, jobId, model, tokenizer, options, ended }: AskWork, input: GenerateInput) {
  const { alternatives } = input;
  const [row] = await db.select({ promptIds: generations.promptIds, prefixIds: generations.prefixIds }).from(
    generations,
  )
    .where(eq(generations.jobId, jobId));
  if (!row) throw new Error(`Job ${jobId} has no prompt`);
  const loaded = await model();
  const names = await tokenizer();
  const { request, thinking } = askedOf(loaded, names, row, input);
  const place = { promptIds: row.promptIds, before: row.prefixIds };
  const named = <Token extends { readonly id: number }>(token: Token) => ({
    ...token,
    text: storable(names.token(token.id)),
  });
  const tell = teller(async (ids: readonly number[]) => {
    const tokens = ids.map((id): GeneratedToken => ({
      ...named({ id }),
      logit: null,
      probability: null,
      alternatives: [],
    }));
    await db.update(generations).set({
      text: storable(names.decode(ids, { continues: true })),
      tokens,
      thought: thinking && request.thought ? growingThought(thinking, place, ids) : null,
    }).where(eq(generations.jobId, jobId));
    if (!await reportProgress(db, jobId, { message: `${ids.length} tokens` })) {
      ended.abort(new Error("The job has ended"));
    }
  });
  const [response] = await loaded.generate([request], {
    ...options,
    onTokens: ([ids]) => tell.look([...ids!]),
  });
  await tell.settled();
  const { ids, stop } = response!;
  const ranked = await rankTokens(loaded, { inputIds: request.inputIds, ids, alternatives }, options);
  const tokens = ranked.map(({ id, logit, logProbability, alternatives }): GeneratedToken => ({
    ...named({ id, logit }),
    probability: Math.exp(logProbability),
    alternatives: alternatives.map(({ rank, id, logit, logProbability }) => ({
      ...named({ rank, id, logit }),
      probability: Math.exp(logProbability),
    })),
  }));
  const thought = thinking ? thoughtOf(thinking, response!) : null;
  return {
    text: storable(names.decode(ids, { continues: true })),
    tokens,
    thought,
    stop: stop === "eos" ? stop : "length",
  } as const;
}

/** What is asked of the engine, and how the model is to think where it is. */
function askedOf(
  { config, directory }: LoadedModel,
  tokenizer: Tokenizer,
  { promptIds, prefixIds }: Pick<typeof generations.$inferSelect, "promptIds" | "prefixIds">,
  { maxTokens, thinkingTokens }: GenerateInput,
): { readonly request: GenerateRequest; readonly thinking: Thinking | undefined } {
  const inputIds = [...promptIds, ...prefixIds];
  const room = config.maxPositions - inputIds.length;
  if (thinkingTokens === undefined) {
    return { request: { inputIds, maxTokens: Math.min(maxTokens, Math.max(1, room)) }, thinking: undefined };
  }
  const { architecture } = config;
  const named = { model: directory, architecture, budget: thinkingTokens, where: "thinkingTokens" };
  const thinking = openThinking(tokenizer, named);
  const place = { promptIds, before: prefixIds, answerTokens: maxTokens, room };
  return { request: { inputIds, ...answerAfter(thinking, place) }, thinking };
}

/** Passes the latest value on, one at a time and not too often. */
function teller<Value>(tell: (value: Value) => Promise<void>) {
  let busy: Promise<void> | undefined;
  let last = 0;
  return {
    look: (value: Value) => {
      if (busy || performance.now() - last < TELL_MS) return;
      last = performance.now();
      // Whoever watches sees the whole response at its end: a look that fails costs nothing.
      busy = tell(value).catch(() => {}).finally(() => busy = undefined);
    },
    /** Resolves when nothing is on its way: what is written last must not be overtaken. */
    settled: async () => await busy,
  };
}
