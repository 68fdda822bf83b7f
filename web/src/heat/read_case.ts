/** What the page of one case reads. Tokens and relevance never change once stored, so they are kept. */
import { ofType } from "../shell/graphql.ts";
import { request, RequestError } from "../shell/client.ts";
import {
  type Candidate,
  type Case,
  READ_CANDIDATES,
  READ_CASE,
  READ_COMPLETION,
  READ_RELEVANCE,
  READ_TOKENS,
  READ_VISITED,
  type Token,
  type VisitedPosition,
  WINDOW,
} from "./documents.ts";
import { readWindows } from "../shell/windows.ts";

/** Relevance of every token at one node layer under one rule, raw, in logit units. */
export interface Heat {
  readonly attributionId: string;
  readonly layer: number;
  readonly relevance: readonly number[];
  /** max |R| over non-special tokens: what normalised values are divided by. */
  readonly scale: number;
  /** max |R| over all tokens. */
  readonly scaleWithSpecial: number;
}

/** Node layers kept in memory; a long one is about 100 kB. */
const KEPT = 64;
const heats = new Map<string, Promise<Heat>>();

/** The node, which must be of the type; throws RequestError. */
function found<Node extends { readonly __typename: string }, Name extends Node["__typename"]>(
  node: Node | null,
  name: Name,
): Extract<Node, { readonly __typename: Name }> {
  const right = ofType(node, name);
  if (right === undefined) throw new RequestError(`There is no such ${WHAT[name as keyof typeof WHAT]}.`, "refused");
  return right;
}
const WHAT = { FailureCase: "case", Attribution: "attribution", TokenPair: "token pair" };

export async function readCase(id: string, signal?: AbortSignal): Promise<Case> {
  return found((await request(READ_CASE, { id }, signal)).node, "FailureCase");
}

export async function readTokens(id: string, total: number, signal?: AbortSignal): Promise<readonly Token[]> {
  const windows = await readWindows(
    total,
    WINDOW,
    async (from, count) => found((await request(READ_TOKENS, { id, from, count }, signal)).node, "FailureCase").tokens,
  );
  return windows.flat();
}

/** Tokens of the whole completion, with positions counted from its first. */
export async function readCompletion(id: string, total: number, signal?: AbortSignal): Promise<readonly Token[]> {
  const windows = await readWindows(
    total,
    WINDOW,
    async (from, count) =>
      found((await request(READ_COMPLETION, { id, from, count }, signal)).node, "FailureCase").completionTokens,
  );
  return windows.flat();
}

async function readHeatAfresh(id: string, layer: number, total: number): Promise<Heat> {
  const windows = await readWindows(
    total,
    WINDOW,
    async (from, count) => found((await request(READ_RELEVANCE, { id, layer, from, count })).node, "Attribution"),
  );
  return {
    attributionId: id,
    layer,
    relevance: windows.flatMap(({ relevance }) => relevance),
    scale: windows[0]?.scale ?? 1,
    scaleWithSpecial: windows[0]?.scaleWithSpecial ?? 1,
  };
}

export function readHeat(id: string, layer: number, total: number): Promise<Heat> {
  const key = `${id} ${layer}`;
  const kept = heats.get(key);
  if (kept !== undefined) return kept;
  const heat = readHeatAfresh(id, layer, total);
  heats.set(key, heat);
  heat.catch(() => heats.delete(key));
  const oldest = heats.keys().next().value;
  if (heats.size > KEPT && oldest !== undefined) heats.delete(oldest);
  return heat;
}

export async function readCandidates(pairId: string, signal?: AbortSignal): Promise<readonly Candidate[]> {
  return found((await request(READ_CANDIDATES, { id: pairId }, signal)).node, "TokenPair").candidates;
}

/** Positions that the search of a case visited, `count` of them from the `from`th on. */
export async function readVisited(
  id: string,
  from: number,
  count: number,
  signal?: AbortSignal,
): Promise<readonly VisitedPosition[]> {
  return found((await request(READ_VISITED, { id, from, count }, signal)).node, "FailureCase").visitedPositions;
}
