/**
 * The strict recovery criterion (docs/method.md, section 5; docs/token-pairs.md): finds the position and the token pair
 * of failed responses. It knows a model only as three questions, so that a script can stand in for one.
 */
import {
  type ActiveCase,
  type CaseUpdate,
  positionsOf,
  type SearchCase,
  type SearchCounts,
  type SearchOptions,
  type SearchState,
  type SearchTokenizer,
  type SearchTools,
  type VisitedPosition,
} from "./criterion.ts";
import type { NextTokens, NextTokensRequest } from "../../gpu/mod.ts";
import { excludedBefore, outcomeAt, outcomeOfNone } from "./outcome.ts";
import { beginningOf, openRollouts, type RolledOut, type Rollouts } from "./rollouts.ts";

/**
 * Searches all cases; each goes on where its state says. Outcomes and states are told by `onWave`. In their order so many
 * cases go forward together as fill a batch: a wave is one batch of rollouts, which is all that a search loses when it is
 * stopped, and then the first cases are decided and the last ones were not looked at.
 */
export async function searchPairs<Case extends SearchCase>(
  cases: readonly { readonly searchCase: Case; readonly state: SearchState }[],
  options: SearchOptions,
  tools: SearchTools<Case>,
): Promise<SearchCounts> {
  const rollouts = openRollouts(tools.model, options.batch);
  let waves = 0;
  let positions = 0;
  const counts = (): SearchCounts => ({ waves, positions, ...rollouts.counts() });
  const atOnce = Math.max(1, Math.floor(options.batch / options.alternatives));
  const waiting = await refuseCases(cases, tools, counts);
  let active: ActiveCase<Case>[] = [];
  for (;;) {
    active = [...active, ...await openCases(waiting.splice(0, atOnce - active.length), options, tools)];
    if (active.length === 0) return counts();
    // Few cases that are left take several positions at once, so that batches stay full.
    const most = Math.min(options.batch, options.ahead ?? Infinity);
    const width = Math.max(1, Math.floor(most / (options.alternatives * active.length)));
    await askSibling(active, options, tools);
    const jobs = active.flatMap((one) => jobsOf(one, width, options));
    const visited = await visit(jobs, rollouts, tools.tokenizer);
    waves++;
    positions += visited.length;
    const updates: CaseUpdate<Case>[] = [];
    for (const one of active) {
      const own = visited.filter((_, index) => jobs[index]?.active === one);
      updates.push(await settle(one, own, options, tools));
    }
    await tools.onWave(updates, counts());
    active = active.filter((_, index) => updates[index]?.outcome === undefined);
  }
}

interface WaitingCase<Case> {
  readonly searchCase: Case;
  readonly state: SearchState;
}

/** Settles cases that cannot be searched; gives the others. */
async function refuseCases<Case extends SearchCase>(
  cases: readonly WaitingCase<Case>[],
  { model, onWave }: SearchTools<Case>,
  counts: () => SearchCounts,
): Promise<WaitingCase<Case>[]> {
  const refused: CaseUpdate<Case>[] = [];
  const good = cases.filter(({ searchCase, state }) => {
    const outcome = excludedBefore(searchCase, model.maxPositions);
    if (outcome) refused.push({ searchCase, state, outcome });
    return !outcome;
  });
  if (refused.length > 0) await onWave(refused, counts());
  return good;
}

/** Looks once at every position of each response that may be visited, and where it might end. */
async function openCases<Case extends SearchCase>(
  cases: readonly WaitingCase<Case>[],
  options: SearchOptions,
  { model, tokenizer }: SearchTools<Case>,
): Promise<ActiveCase<Case>[]> {
  if (cases.length === 0) return [];
  const next = await model.nextTokens(cases.map(({ searchCase }) => {
    const ends = mayEnd(searchCase, model.endIds);
    return nextAt(searchCase, options, ends ? searchCase.completionIds.length : 0);
  }));
  return await Promise.all(cases.map(async ({ searchCase, state }, index): Promise<ActiveCase<Case>> => {
    const own = next[index] as NextTokens;
    const response = withEnd(searchCase, own, model.endIds);
    const failedBy = await failedAfter(searchCase, model.endIds, tokenizer);
    return { searchCase, own, sibling: undefined, response, failedBy, state };
  }));
}

/** How many of a response's tokens decide that it fails; Infinity where all of them do not. */
async function failedAfter(
  { completionIds, decided }: SearchCase,
  endIds: readonly number[],
  tokenizer: SearchTokenizer,
): Promise<number> {
  const fails = await decided?.();
  const tokens = completionIds.length - Number(endIds.includes(completionIds.at(-1) as number));
  const failsBy = (count: number) => fails!(beginningOf(tokenizer, completionIds.slice(0, count)));
  if (!fails || !failsBy(tokens)) return Infinity;
  let [open, failed] = [-1, tokens];
  while (failed - open > 1) {
    const middle = Math.floor((open + failed) / 2);
    if (failsBy(middle)) failed = middle;
    else open = middle;
  }
  return failed;
}

/** What follows the prompt, and each token of the response up to the last position that is visited, and to `least` of them. */
function nextAt(
  { promptIds, completionIds }: SearchCase,
  { alternatives, positions }: SearchOptions,
  least = 0,
): NextTokensRequest {
  const tokens = Math.min(completionIds.length, Math.max(positions - 1, least));
  return {
    inputIds: [...promptIds, ...completionIds],
    from: promptIds.length - 1,
    to: promptIds.length + tokens,
    top: alternatives + 1,
  };
}

/** Whether a response that does not say its end has room for it. */
function mayEnd({ completionIds, maxTokens }: SearchCase, endIds: readonly number[]): boolean {
  return !endIds.includes(completionIds.at(-1) as number) && completionIds.length < maxTokens;
}

/** A response that the model itself would end here has its end as a last token: a position like the others. */
function withEnd(searchCase: SearchCase, own: NextTokens, endIds: readonly number[]): number[] {
  const { completionIds } = searchCase;
  const end = own[completionIds.length]?.[0]?.id;
  const ends = mayEnd(searchCase, endIds) && end !== undefined && endIds.includes(end);
  return ends ? [...completionIds, end] : [...completionIds];
}

async function askSibling<Case extends SearchCase>(
  active: readonly ActiveCase<Case>[],
  options: SearchOptions,
  { sibling }: SearchTools<Case>,
): Promise<void> {
  const wanting = active.filter((one) => one.state.phase === "sibling" && !one.sibling);
  if (!sibling || wanting.length === 0) return;
  const next = await sibling.nextTokens(wanting.map(({ searchCase }) => nextAt(searchCase, options)));
  wanting.forEach((one, index) => one.sibling = next[index] as NextTokens);
}

interface PositionJob {
  readonly active: ActiveCase;
  readonly position: number;
}

function jobsOf(active: ActiveCase, width: number, options: SearchOptions): PositionJob[] {
  const { next } = active.state;
  const end = Math.min(next + width, positionsOf(active, options));
  return Array.from({ length: Math.max(0, end - next) }, (_, index) => ({ active, position: next + index }));
}

/** Forces every alternative of every position and has the whole responses checked. */
async function visit(
  jobs: readonly PositionJob[],
  rollouts: Rollouts,
  tokenizer: SearchTokenizer,
): Promise<VisitedPosition[]> {
  const alternatives = jobs.map(({ active, position }) => {
    const { from, to } = active.searchCase.thinking?.inserted ?? { from: 0, to: 0 };
    if (position >= from && position < to) return [];
    const proposed = (active.state.phase === "own" ? active.own : active.sibling)?.[position] ?? [];
    const target = active.response[position];
    return proposed
      .map((token, rank) => ({ ...token, rank }))
      .filter(({ id }) => id !== target)
      // One more than wanted was asked for, since the target is usually among them.
      .slice(0, Math.max(0, proposed.length - 1));
  });
  // What was tried before, as an own alternative or in a run that was stopped, is known by the case's state.
  const before = jobs.map(({ active, position }) =>
    new Map(
      active.state.visited.filter((visited) => visited.position === position)
        .flatMap(({ tried }) => tried.map((one) => [one.id, one] as const)),
    )
  );
  const wanted = jobs.flatMap(({ active: { searchCase }, position }, index) =>
    (alternatives[index] ?? []).filter(({ id }) => !before[index]?.has(id)).map(({ id }) => ({
      searchCase,
      prefix: [...searchCase.completionIds.slice(0, position), id],
    }))
  );
  const responses = await rollouts.complete(wanted, tokenizer);
  let at = 0;
  return jobs.map(({ active, position }, index) => ({
    position,
    proposedBy: active.state.phase,
    target: targetOf(active, position),
    tried: (alternatives[index] ?? []).map(({ rank, id, logit }) => {
      const { completion, passed, endedEarly } = before[index]?.get(id) ?? responses[at++] as RolledOut;
      const tried = { rank, id, text: tokenizer.token(id), logit, completion, passed };
      return endedEarly ? { ...tried, endedEarly } : tried;
    }),
  }));
}

function targetOf({ own, response }: ActiveCase, position: number): VisitedPosition["target"] {
  const id = response[position] as number;
  const rank = own[position]?.findIndex((token) => token.id === id) ?? -1;
  return rank < 0 ? { id, rank: null, logit: null } : { id, rank, logit: own[position]?.[rank]?.logit ?? null };
}

/** Takes a wave's positions in order until one decides; what was tried beyond it is forgotten. */
async function settle<Case extends SearchCase>(
  one: ActiveCase<Case>,
  visited: readonly VisitedPosition[],
  options: SearchOptions,
  tools: SearchTools<Case>,
): Promise<CaseUpdate<Case>> {
  const { searchCase } = one;
  for (const position of visited) {
    one.state = { ...one.state, next: position.position + 1, visited: [...one.state.visited, position] };
    const outcome = await outcomeAt(one, position, tools);
    if (!outcome) continue;
    const goesOn = options.positionRule === "clean" && outcome.kind === "excluded" &&
      outcome.exclusion === "delta_too_small";
    if (!goesOn) return { searchCase, state: one.state, outcome };
  }
  if (one.state.next < positionsOf(one, options)) return { searchCase, state: one.state, outcome: undefined };
  if (one.state.phase === "own" && tools.sibling) {
    // A weak recovery of its own would only be found again.
    const weak = options.positionRule === "clean" && one.state.visited.some(recovers);
    if (!weak) {
      one.state = { ...one.state, phase: "sibling", next: 0 };
      return { searchCase, state: one.state, outcome: undefined };
    }
  }
  return { searchCase, state: one.state, outcome: await outcomeOfNone(one, options, tools) };
}

const recovers = ({ tried }: VisitedPosition) => tried.some(({ passed }) => passed === true);
