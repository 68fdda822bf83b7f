/** What the room of a trace reads. A trace never changes once stored, so its vectors are kept. */
import type { Token } from "../heat/documents.ts";
import type { Heat } from "../heat/read_case.ts";
import { follow } from "../jobs/job_store.ts";
import { request, RequestError } from "../shell/client.ts";
import { ofType } from "../shell/graphql.ts";
import type { Rule } from "../shell/route.ts";
import { readWindows } from "../shell/windows.ts";
import {
  READ_CHAIN_HEAT,
  READ_ROW_RELEVANCE,
  READ_TRACE,
  READ_TRACED,
  TRACE,
  type Trace,
  type TracedPair,
  type TraceInput,
} from "./documents.ts";

const WINDOW = 1024;

/** Throws RequestError. */
export async function readTraced(id: string, signal: AbortSignal): Promise<TracedPair> {
  const pair = ofType((await request(READ_TRACED, { id }, signal)).node, "TokenPair");
  if (pair === undefined) throw new RequestError("There is no such token pair.", "refused");
  return pair;
}

/** Throws RequestError. */
export async function readTrace(id: string, signal: AbortSignal): Promise<Trace> {
  return traceOf((await request(READ_TRACE, { id }, signal)).node);
}

function traceOf<Node extends { readonly __typename: string }>(node: Node | null) {
  const trace = ofType(node, "Trace");
  if (trace === undefined) throw new RequestError("There is no such trace.", "refused");
  return trace;
}

/** Whose relevance is wanted: the error's through the steps, or that of a row at once, a step's or the error's. */
export type WantedHeat = { readonly signed: boolean } | { readonly step: number | null };

/** Throws RequestError. */
export async function readTraceHeat(
  { id, tokenCount }: Trace,
  wanted: WantedHeat,
  tokens: readonly Token[],
  signal: AbortSignal,
): Promise<Heat> {
  const windows = await readWindows(tokenCount, WINDOW, async (from, count) => {
    if ("signed" in wanted) {
      const given = { id, signed: wanted.signed, from, count };
      return traceOf((await request(READ_CHAIN_HEAT, given, signal)).node).heat;
    }
    const given = { id, step: wanted.step, from, count };
    return traceOf((await request(READ_ROW_RELEVANCE, given, signal)).node).relevance;
  });
  const relevance = windows.flat();
  let [scale, scaleWithSpecial] = [0, 0];
  relevance.forEach((value, position) => {
    const size = Math.abs(value);
    scaleWithSpecial = Math.max(scaleWithSpecial, size);
    if (!tokens[position]?.special) scale = Math.max(scale, size);
  });
  return { attributionId: id, layer: 0, relevance, scale: scale || 1, scaleWithSpecial: scaleWithSpecial || 1 };
}

/** Asks for the trace of one pair; gives the job's id. Throws RequestError. */
export async function startTrace(
  pair: string,
  rule: Rule,
  { boundaries, rollouts }: { readonly boundaries: readonly number[]; readonly rollouts: number },
): Promise<string> {
  const input: TraceInput = {
    tokenPairIds: [pair],
    rule,
    rollouts,
    ...(boundaries.length > 0 ? { boundaries: [...boundaries] } : {}),
  };
  return follow((await request(TRACE, { input })).trace);
}
