/** Masks input tokens of a failure, one after another, and shows how the prediction moves. */
import { z } from "zod";
import { ApiError } from "./api.ts";
import { MASK, READ_MASKED } from "./documents.ts";
import { followJob } from "./follow_job.ts";
import { describePair, readPair } from "./pair_reading.ts";
import { quoted, tool } from "./tool.ts";

interface Experiment {
  readonly ranking: string;
  readonly steps: readonly {
    readonly masked: number;
    readonly position: number | null;
    readonly delta: number;
    readonly argmaxText: string;
    readonly probability: number;
  }[];
}

export const maskTool = tool({
  name: "mask",
  title: "Mask tokens",
  description: "Masks input tokens of a failure one after another and tells how the logit difference and the next " +
    "token change: whether the tokens that the heatmap blames are really the cause. Without positions the `top` " +
    "tokens that support the wrong token are masked. The picture has the masked tokens struck through.",
  input: z.object({
    pair: z.string().describe("Id of an attributed token pair, from find_failures or explain."),
    positions: z.array(z.int().min(0)).min(1).max(32).optional().describe("Positions to mask, in this order."),
    top: z.int().min(1).max(8).default(2).describe("Without positions: how many of the strongest tokens are masked."),
    replacement: z.enum(["NEUTRAL", "MEAN", "REMOVE", "ATTENTION"]).default("NEUTRAL").describe(
      "What stands in a masked token's place: a neutral token, the mean embedding, nothing, or no attention to it.",
    ),
  }),
  readOnly: false,
  run: async ({ pair, positions, top, replacement }, context) => {
    const known = await readPair(pair, "ATTNLRP", context);
    const last = known.failureCase.tokenCount - 1;
    const chosen = positions ??
      known.attribution?.wrong.map(({ position }) => position).filter((position) => position < last).slice(0, top);
    if (chosen === undefined) throw new ApiError("pair: it is not attributed yet; call explain with it first");
    if (chosen.length === 0) throw new ApiError("positions: no token supports the wrong one; name positions");
    const input = { tokenPairId: pair, positions: chosen, replacement };
    const { maskTokens } = await context.api.ask<{ maskTokens: { id: string } }>(MASK, { input }, context.signal);
    await followJob(context, maskTokens.id);
    const { node } = await context.api.ask<{ node: { maskingExperiments: readonly Experiment[] } }>(
      READ_MASKED,
      { id: pair },
      context.signal,
    );
    const steps = node.maskingExperiments.find((one) => isOf(one, chosen))?.steps;
    if (steps === undefined) throw new ApiError("the experiment cannot be read; ask again");
    const rows = steps.map(({ position, delta, argmaxText, probability }) =>
      `${position === null ? "nothing masked" : `token ${position} masked`}: delta ${delta.toFixed(3)}, next token ${
        quoted(argmaxText)
      }, probability of the wrong token ${probability.toFixed(3)}`
    );
    const shown = known.attribution === null ? { text: `pair ${pair}` } : await describePair(known, context, chosen);
    return { ...shown, text: `${rows.join("\n")}\n\n${shown.text}` };
  },
});

const isOf = ({ ranking, steps }: Experiment, chosen: readonly number[]): boolean =>
  ranking === "CHOSEN" && steps.length === chosen.length + 1 &&
  chosen.every((position, index) => steps[index + 1]?.position === position);
