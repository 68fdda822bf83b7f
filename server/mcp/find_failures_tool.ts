/** Finds stored failures: by text, model, benchmark, or what the classifier says of them. */
import { z } from "zod";
import { FIND_ATTRIBUTIONS, FIND_CASES } from "./documents.ts";
import { quoted, signed, tool } from "./tool.ts";

interface Reading {
  readonly outcome: string | null;
  readonly pattern: string | null;
  readonly wrong: readonly { readonly text: string; readonly relevance: number }[];
  readonly right: readonly { readonly text: string; readonly relevance: number }[];
}
interface Pair {
  readonly id: string;
  readonly delta: number;
  readonly target: { readonly text: string };
  readonly contrast: { readonly text: string };
}
interface CaseHead {
  readonly key: string;
  readonly benchmark: string;
  readonly status: string;
  readonly tokenCount: number;
}
interface Found {
  readonly count: number;
  readonly isAll: boolean;
}
interface Cases {
  readonly found: Found;
  readonly failureCases: {
    readonly nodes: readonly (CaseHead & {
      readonly model: { readonly name: string };
      readonly tokenPairs: readonly (Pair & { readonly attribution: Reading | null })[];
    })[];
  };
}
interface Attributions {
  readonly found: Found;
  readonly attributions: {
    readonly nodes: readonly (Reading & {
      readonly model: { readonly name: string };
      readonly tokenPair: Pair & { readonly failureCase: CaseHead };
    })[];
  };
}

export const findFailuresTool = tool({
  name: "find_failures",
  title: "Find failures",
  description: "Lists stored failures of models, the largest logit difference first: the wrong and the right token, " +
    "the strongest input token of each side, and the id of the token pair for `explain` and `mask`.",
  input: z.object({
    search: z.string().min(3).max(200).optional().describe("Text of the key, the prompt or the answer."),
    model: z.string().optional().describe("Name of the model."),
    benchmark: z.string().optional().describe("Name of the benchmark; `ask` has what was typed by people and agents."),
    outcome: z.enum(["M_IA", "NC_IA_M_AG", "NC_IA_AG"]).optional().describe("Where the failure shows."),
    pattern: z.enum(["URT", "OIT", "URT_OIT"]).optional().describe("How it came about."),
    token: z.string().optional().describe("Text of the wrong, the right, or a strongly relevant token."),
    min_delta: z.number().optional().describe("Smallest logit difference."),
    limit: z.int().min(1).max(50).default(10).describe("Failures at most."),
  }),
  readOnly: true,
  run: async ({ limit, min_delta, search, model, benchmark, outcome, pattern, token }, { api, signal }) => {
    const delta = min_delta === undefined ? undefined : { min: min_delta };
    const shared = { search, model, benchmark, delta };
    if (outcome !== undefined || pattern !== undefined || token !== undefined) {
      const filter = { ...shared, outcome, pattern, token, rule: "ATTNLRP" };
      const { attributions, found } = await api.ask<Attributions>(FIND_ATTRIBUTIONS, { first: limit, filter }, signal);
      const rows = attributions.nodes.map(({ tokenPair, model, ...reading }) =>
        describe({ ...tokenPair.failureCase, model: model.name }, tokenPair, reading)
      );
      return { text: list(rows, found) };
    }
    const { failureCases, found } = await api.ask<Cases>(FIND_CASES, { first: limit, filter: shared }, signal);
    const rows = failureCases.nodes.flatMap(({ tokenPairs, model, ...head }) => {
      const named = { ...head, model: model.name };
      return tokenPairs.length === 0
        ? [describe(named, undefined, undefined)]
        : tokenPairs.map(({ attribution, ...pair }) => describe(named, pair, attribution ?? undefined));
    });
    return { text: list(rows, found) };
  },
});

function list(rows: readonly string[], { count, isAll }: Found): string {
  if (count === 0) return "No failure fits.";
  return `${isAll ? "" : "More than "}${count} fit, the first:\n${rows.join("\n")}`;
}

function describe(
  { key, model, status, tokenCount }: CaseHead & { readonly model: string },
  pair: Pair | undefined,
  reading: Reading | undefined,
): string {
  const head = `${key} (${model}, ${tokenCount} tokens)`;
  if (pair === undefined) return `${head}: ${status.toLowerCase()}, no token pair yet`;
  const strongest = (name: string, [token]: Reading["wrong"]) =>
    token === undefined ? [] : [`${name} ${quoted(token.text)} ${signed(token.relevance)}`];
  const known = reading === undefined ? ["not attributed"] : [
    ...strongest("for the wrong", reading.wrong),
    ...strongest("for the right", reading.right),
    ...[reading.outcome, reading.pattern].filter((one) => one !== null),
  ];
  return `${head}: wrote ${quoted(pair.target.text)}, right ${quoted(pair.contrast.text)}, delta ${
    pair.delta.toFixed(3)
  }; ${known.join(", ")}; pair ${pair.id}`;
}
