/**
 * Which requests share a pass. Plain functions over plain arrays: requests whose prompt is another's beginning share its
 * forward pass (several token pairs of a prompt, several positions), the other prompts lie side by side, as many as fit.
 */
import { blockStateBytes, gradientRowBytes, widestRowBytes } from "./block.ts";
import type { ModelConfig } from "../model/config.ts";
import { turnAlike } from "../model/rotary.ts";
import { PANEL, panelBytes, panelsOf } from "../kernels/panels.ts";
import { positionsOf, type Question } from "./seed.ts";

/** A request's place in a pack: its prompt is a sequence of the pack, or the beginning of one. */
export interface PackMember {
  /** Index among all requests. */
  readonly request: number;
  readonly sequence: number;
}

/**
 * Requests of one pass: either several sequences with one request each, all of one rule, or one sequence with any number
 * of requests.
 */
export interface Pack {
  readonly sequences: readonly (readonly number[])[];
  readonly members: readonly PackMember[];
}

/**
 * Positions that the requests of one prompt may always read in a pack together; a read takes less memory than a row, so
 * as many as a pack may have rows do. A single request may read more.
 */
const FEW_READS = 128;

/** Rows of a pack at most, whatever the memory: more do not make a pass faster. */
const MOST_ROWS = 8192;

/** What bounds a pack. */
export interface PackLimits {
  /** Device bytes of a pass, weights left out. */
  readonly bytes: number;
  /** Block states kept for the backward pass; a pack whose states would exceed it would be computed twice. */
  readonly keepBytes: number;
  /** Largest single buffer. */
  readonly bindingBytes: number;
}

/** Rows (whole panels) that prompts side by side may have together. */
export function packRows(config: ModelConfig, { bytes, keepBytes, bindingBytes }: PackLimits): number {
  const { layers, hidden } = config;
  const stateRow = blockStateBytes(config, PANEL) / PANEL;
  const row = (panelBytes(PANEL, hidden) / PANEL) * (layers + 3) + stateRow * layers + gradientRowBytes(config);
  const rows = Math.min(MOST_ROWS, keepBytes / (stateRow * layers), bytes / row, bindingBytes / widestRowBytes(config));
  return Math.max(PANEL, Math.floor(rows / PANEL) * PANEL);
}

/**
 * Splits requests into packs of at most `mostRows` rows, longest first; a longer prompt goes alone. Every request is in
 * exactly one pack. Prompts on two sides of a border (rotary.ts) share no pass.
 */
export function fillPacks(
  requests: readonly Question[],
  mostRows: number,
  borders: readonly number[] = [],
): Pack[] {
  const packs: Pack[] = [];
  const single = new Map<string, Prompt[]>();
  for (const prompt of groupByPrompt(requests, borders)) {
    const [member] = prompt.members;
    if (prompt.members.length > 1) packs.push(...splitMembers(prompt, requests, Math.max(FEW_READS, mostRows)));
    else if (member !== undefined) {
      const { rule } = requests[member] as Question;
      const list = single.get(rule);
      if (list) list.push(prompt);
      else single.set(rule, [prompt]);
    }
  }
  for (const prompts of single.values()) packs.push(...sideBySide(prompts, mostRows));
  return packs;
}

/** Requests that share a forward pass; the first is the longest. */
interface Prompt {
  readonly ids: readonly number[];
  readonly members: readonly number[];
  /** Tokens of each member's prompt. */
  readonly lengths: readonly number[];
}

function groupByPrompt(requests: readonly Question[], borders: readonly number[]): Prompt[] {
  // In this order a prompt that is the beginning of others stands right before one of them.
  const order = requests.map((_, index) => index).sort((a, b) =>
    compareIds((requests[a] as Question).inputIds, (requests[b] as Question).inputIds)
  );
  const prompts: { ids: readonly number[]; members: number[]; lengths: number[] }[] = [];
  for (const index of order.reverse()) {
    const { inputIds } = requests[index] as Question;
    const last = prompts.at(-1);
    if (last && isPrefix(inputIds, last.ids) && turnAlike(borders, inputIds.length, last.ids.length)) {
      last.members.push(index);
      last.lengths.push(inputIds.length);
    } else prompts.push({ ids: inputIds, members: [index], lengths: [inputIds.length] });
  }
  return prompts;
}

function compareIds(a: readonly number[], b: readonly number[]): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

const isPrefix = (short: readonly number[], long: readonly number[]) =>
  short.length <= long.length && short.every((id, index) => id === long[index]);

/** Packs of a prompt's requests, none of which reads too many positions. */
function splitMembers(
  { ids, members, lengths }: Prompt,
  requests: readonly Question[],
  mostReads: number,
): Pack[] {
  const packs: { sequences: [readonly number[]]; members: PackMember[] }[] = [];
  let reads = Infinity;
  members.forEach((request, at) => {
    const more = positionsOf(requests[request] as Question).length;
    if (reads + more > mostReads) {
      // Longest first: the rest is contained in this one's prompt.
      packs.push({ sequences: [ids.slice(0, lengths[at])], members: [] });
      reads = 0;
    }
    reads += more;
    packs.at(-1)?.members.push({ request, sequence: 0 });
  });
  return packs;
}

/** First fit, longest first. */
function sideBySide(prompts: readonly Prompt[], mostRows: number): Pack[] {
  const bins: { rows: number; prompts: Prompt[] }[] = [];
  for (const prompt of [...prompts].sort((a, b) => b.ids.length - a.ids.length)) {
    const rows = panelsOf(prompt.ids.length) * PANEL;
    const bin = bins.find((one) => one.rows + rows <= mostRows);
    if (bin) {
      bin.rows += rows;
      bin.prompts.push(prompt);
    } else bins.push({ rows, prompts: [prompt] });
  }
  return bins.map((bin): Pack => ({
    sequences: bin.prompts.map(({ ids }) => ids),
    members: bin.prompts.map(({ members }, sequence) => ({ request: members[0] as number, sequence })),
  }));
}
