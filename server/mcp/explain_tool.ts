/** Explains why a model wrote one token and not another. */
import { z } from "zod";
import { ApiError } from "./api.ts";
import { askedPrompt, PROMPT_INPUT } from "./ask_tool.ts";
import { ATTRIBUTE, EXPLAIN, READ_EXPLAINED } from "./documents.ts";
import { followJob } from "./follow_job.ts";
import { describePair, readPair } from "./pair_reading.ts";
import { tool, type ToolContext } from "./tool.ts";

const TOKEN = z.union([z.int().min(0), z.string().min(1)]);

export const explainTool = tool({
  name: "explain",
  title: "Explain a token",
  description: "Shows which input tokens made a model write one token and not another (AttnLRP on the difference of " +
    "the two logits), as text and as a heatmap: red supports the wrong token, blue the right one. Name what is " +
    "explained in one of three ways: `pair` of find_failures; `answer` of ask with `position`; or chat or prompt with " +
    "`prefix`, the answer before the token.",
  input: z.object({
    pair: z.string().optional().describe("Id of a token pair."),
    answer: z.string().optional().describe("Id of an answer that `ask` gave."),
    position: z.int().min(0).optional().describe("With answer: the token's position in it."),
    ...PROMPT_INPUT,
    target: TOKEN.optional().describe("The token that was wrong: an id, or a text; the model's own when left out."),
    contrast: TOKEN.optional().describe("What should have stood there: an id, or a text with its leading space."),
    rule: z.enum(["ATTNLRP", "CPLRP", "GRADIENT"]).default("ATTNLRP").describe("Backward rule."),
  }),
  readOnly: false,
  run: async ({ pair, answer, position, target, contrast, rule, ...asked }, context) => {
    if (pair !== undefined) {
      const known = await readPair(pair, rule, context);
      if (known.attribution === null) await attribute(pair, rule, context);
      return await describePair(known.attribution === null ? await readPair(pair, rule, context) : known, context);
    }
    if (contrast === undefined) throw new ApiError("contrast: name what should have stood there: an id, or a text");
    if ((answer === undefined) !== (position === undefined)) {
      throw new ApiError("answer, position: give both: the id of an answer and a token's position in it");
    }
    const place = answer === undefined ? await askedPrompt(asked, context) : { at: { job: answer, position } };
    const input = { ...place, target: tokenInput(target), contrast: tokenInput(contrast), rule };
    const { explain } = await context.api.ask<{ explain: { note: string | null; job: { id: string } } }>(
      EXPLAIN,
      { input },
      context.signal,
    );
    await followJob(context, explain.job.id);
    const { job } = await context.api.ask<{
      job: { attributions: { nodes: readonly { tokenPair: { id: string } }[] } };
    }>(READ_EXPLAINED, { id: explain.job.id }, context.signal);
    const result = await describePair(await readPair(job.attributions.nodes[0]!.tokenPair.id, rule, context), context);
    return explain.note === null ? result : { ...result, text: `${explain.note}.\n${result.text}` };
  },
});

const tokenInput = (token: number | string | undefined) =>
  token === undefined ? undefined : typeof token === "number" ? { id: token } : { text: token };

async function attribute(pair: string, rule: string, context: ToolContext): Promise<void> {
  const input = { tokenPairIds: [pair], rule };
  const { attribute } = await context.api.ask<{ attribute: { id: string } }>(ATTRIBUTE, { input }, context.signal);
  await followJob(context, attribute.id);
}
