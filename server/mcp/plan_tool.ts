/** Tells what work would take, before somebody asks for it. */
import { z } from "zod";
import { PLAN } from "./documents.ts";
import { tool } from "./tool.ts";

interface Plan {
  readonly runs: number;
  readonly longest: number;
  readonly seconds: number;
  readonly gpuBytes: number;
  readonly hostBytes: number;
  readonly fits: boolean;
  readonly why: string;
  readonly adapter: string | null;
}

export const planTool = tool({
  name: "plan",
  title: "Plan work",
  description: "Predicts time and memory of attributing, building graphs of, or masking token pairs. Runs nothing. " +
    "The first question about a model measures the adapter for some seconds.",
  input: z.object({
    work: z.enum(["ATTRIBUTE", "BUILD_GRAPH", "MASK"]).describe("What would be done."),
    pairs: z.array(z.string()).min(1).max(500).optional().describe("Ids of token pairs; all clean ones when left out."),
    rule: z.enum(["ATTNLRP", "CPLRP", "GRADIENT"]).optional().describe("Backward rule."),
  }),
  readOnly: true,
  run: async ({ work, pairs, rule }, { api, signal }) => {
    const input = { work, rule, ...(pairs === undefined ? { selection: "CLEAN" } : { tokenPairIds: pairs }) };
    const { plan } = await api.ask<{ plan: Plan }>(PLAN, { input }, signal);
    const { runs, longest, seconds, gpuBytes, hostBytes, fits, why, adapter } = plan;
    const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
    const text = `${work}: ${runs} runs of at most ${longest} tokens, about ${describeSeconds(seconds)}, ` +
      `${megabytes(gpuBytes)} on the device and ${megabytes(hostBytes)} on the host` +
      `${adapter === null ? "" : ` (${adapter})`}; ${fits ? "fits" : "does not fit"}: ${why}`;
    return { text };
  },
});

function describeSeconds(seconds: number): string {
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
