/** Sends a failure's error back through the steps of its completion. */
import { z } from "zod";
import { MOST_ROLLOUTS } from "../../schema/tables/trace_values.ts";
import { ApiError } from "./api.ts";
import { READ_TRACES, TRACE } from "./documents.ts";
import { followJob } from "./follow_job.ts";
import { quoted, tool } from "./tool.ts";

interface Trace {
  readonly rule: string;
  readonly boundaries: readonly number[] | null;
  readonly lostAt: number | null;
  readonly sentences: readonly { readonly text: string }[];
  readonly steps: readonly {
    readonly index: number;
    readonly kind: string;
    readonly text: string;
    readonly weight: number;
    readonly signedWeight: number;
    readonly row: { readonly own: number; readonly shares: readonly number[]; readonly lost: number } | null;
  }[];
  readonly error: { readonly shares: readonly number[]; readonly special: number; readonly lost: number };
  readonly reach: readonly { readonly step: number | null; readonly completion: string | null }[] | null;
  readonly strongest: readonly {
    readonly position: number;
    readonly text: string;
    readonly share: number;
    readonly signed: number;
  }[];
}

interface TracedPair {
  readonly target: { readonly text: string };
  readonly contrast: { readonly text: string };
  readonly delta: number;
  readonly traces: readonly Trace[];
}

/** Steps that are told. */
const TOLD = 12;

export const traceTool = tool({
  name: "trace",
  title: "Trace an error through the completion's steps",
  description:
    "Cuts the completion before a failure's wrong token into steps (sentences, lines, thoughts, tool calls), " +
    "explains each, and sends the error's relevance back through them: which steps carried the error, what each rests " +
    "on, and in which words of the prompt it ends. With `rollouts` it also says from which step on the right answer is " +
    "out of reach.",
  input: z.object({
    pair: z.string().describe("Id of a token pair, from find_failures or explain."),
    rule: z.enum(["ATTNLRP", "CPLRP", "GRADIENT"]).default("ATTNLRP").describe("Backward rule."),
    rollouts: z.int().min(0).max(MOST_ROLLOUTS).default(0).describe(
      "Continuations tried and checked at each step's end.",
    ),
  }),
  readOnly: false,
  run: async ({ pair, rule, rollouts }, context) => {
    const input = { tokenPairIds: [pair], rule, rollouts };
    const { trace } = await context.api.ask<{ trace: { id: string } }>(TRACE, { input }, context.signal);
    await followJob(context, trace.id);
    const { node } = await context.api.ask<{ node: TracedPair | null }>(READ_TRACES, { id: pair }, context.signal);
    const found = node?.traces.find((one) =>
      one.rule === rule && one.boundaries === null && (rollouts === 0 || one.reach !== null)
    );
    if (!node || !found) throw new ApiError("the trace cannot be read; ask again");
    return { text: describe(node, found) };
  },
});

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

function describe({ target, contrast, delta }: TracedPair, trace: Trace): string {
  const { steps, sentences, error, strongest, reach } = trace;
  const direct = error.shares.slice(0, sentences.length).reduce((sum, share) => sum + share, 0);
  const lost = steps.reduce((sum, { row }) => sum + (row?.lost ?? 0), error.lost);
  const listed = steps.toSorted((a, b) => b.weight - a.weight || a.index - b.index).slice(0, TOLD).map((step) =>
    `step ${step.index} (${step.kind.toLowerCase().replace("_", " ")}): ${percent(step.weight)}, signed ${
      percent(step.signedWeight)
    }${restsOn(step.row, sentences.length)}: ${quoted(step.text)}`
  );
  const words = strongest.map(({ position, text, share, signed }) =>
    `${quoted(text)} at ${position}: ${percent(share)}, signed ${percent(signed)}`
  );
  return [
    `${quoted(target.text)} instead of ${quoted(contrast.text)}, delta ${delta.toFixed(3)}: ${
      percent(direct)
    } of the ` +
    `error's relevance lies on the prompt directly; through the chain ${percent(1 - lost)} end in the prompt, ` +
    `${percent(lost)} on special tokens.`,
    "Steps by how much of the error reaches them:",
    ...listed,
    "Words of the prompt by where it ends:",
    ...words,
    ...(reach === null ? [] : [describeReach(trace)]),
  ].join("\n");
}

function restsOn(row: Trace["steps"][number]["row"], sentences: number): string {
  if (row === null) return ", not the model's own";
  const best = row.shares.map((share, column) => ({ share: row.own < 1 ? share / (1 - row.own) : 0, column }))
    .sort((a, b) => b.share - a.share).slice(0, 2).filter(({ share }) => share > 0.05);
  return best.length === 0
    ? ""
    : `, rests on ${
      best.map(({ share, column }) =>
        `${column < sentences ? `prompt sentence ${column}` : `step ${column - sentences}`} ${percent(share)}`
      ).join(" and ")
    }`;
}

function describeReach({ reach, lostAt }: Trace): string {
  const passing = reach!.filter(({ completion }) => completion !== null).length;
  if (lostAt !== null) return `After step ${lostAt} no continuation that was tried gives the right answer.`;
  return passing === 0
    ? "No continuation that was tried gives the right answer, not even from the prompt's end."
    : "The right answer can be reached from the last step's end.";
}
