/** Sequences while they are decoded, and the prompts that they begin with; prompts that begin alike are one. */
import type { GenerateRequest, TokenLogit } from "../engine.ts";
import type { ModelConfig } from "../model/config.ts";
import type { ModelDirectory } from "../model/directory.ts";
import { bordersOf, turnAlike } from "../model/rotary.ts";
import { intervene, type Intervened, isPlain, NOTHING_INTERVENED } from "../pass/intervention.ts";
import { PANEL, panelsOf } from "../kernels/panels.ts";
import { rotationsOf } from "../pass/workspace.ts";
import { MOST_STEPS } from "./decode.ts";

/** A prompt that is computed once. */
export interface Prompt {
  readonly ids: readonly number[];
  readonly intervened: Intervened;
  /** Cache row of its first token; a multiple of 16. */
  firstRow: number;
}

/** A request whose `maxTokens` are all new tokens, those of a thought too. */
export interface DecodedRequest extends GenerateRequest {
  /** Tokens after the thought at most. */
  readonly answerTokens: number;
}

/** A sequence while it is decoded. */
export interface Decoding {
  readonly request: DecodedRequest;
  /** Begins with the request's tokens. */
  readonly prompt: Prompt;
  /** Cache row of its first new token. */
  ownStart: number;
  readonly ids: number[];
  first: readonly TokenLogit[];
  /** "thought": the budget of its thought is used up. */
  stop: "eos" | "length" | "thought" | "until" | undefined;
  end: number | null;
  /** Tokens of its thought, once that has ended. */
  thoughtEnd: number | undefined;
}

/** Sequences with their prompts: a request whose tokens begin another's prompt shares it. */
export function openDecodings(
  model: ModelDirectory,
  requests: readonly DecodedRequest[],
): Decoding[] {
  const borders = bordersOf(rotationsOf(model.config));
  const prompts = new Map<number, Prompt>();
  const plain: number[] = [];
  requests.forEach((request, index) => {
    // Under an intervention the same tokens have other keys and values.
    if (isPlain(request)) plain.push(index);
    else prompts.set(index, { ids: request.inputIds, intervened: intervene(model, request), firstRow: 0 });
  });
  const idsOf = (index: number) => (requests[index] as GenerateRequest).inputIds;
  // In this order all that begins alike stands together, the shorter first: from the end on, the longest come first.
  plain.sort((a, b) => compareIds(idsOf(a), idsOf(b)));
  let last: Prompt | undefined;
  for (const index of plain.reverse()) {
    const ids = idsOf(index);
    const shares = last && turnAlike(borders, ids.length, last.ids.length) &&
      ids.every((id, position) => id === last?.ids[position]);
    if (!last || !shares) {
      last = { ids, intervened: NOTHING_INTERVENED, firstRow: 0 };
    }
    prompts.set(index, last);
  }
  return requests.map((request, index) => ({
    request,
    prompt: prompts.get(index) as Prompt,
    ownStart: 0,
    ids: [],
    first: [],
    stop: undefined,
    end: null,
    thoughtEnd: undefined,
  }));
}

function compareIds(a: readonly number[], b: readonly number[]): number {
  const length = Math.min(a.length, b.length);
  for (let index = 0; index < length; index++) {
    if (a[index] !== b[index]) return (a[index] as number) - (b[index] as number);
  }
  return a.length - b.length;
}

/** Cache rows of a prompt, and of a sequence's new tokens: as many as it may have, and those of steps in vain. */
export const promptRows = ({ ids }: Prompt) => panelsOf(ids.length) * PANEL;
export const ownRows = ({ request }: Decoding) => panelsOf(request.maxTokens + MOST_STEPS) * PANEL;

/** Takes a chosen token, unless the sequence has ended. A token that ends it is not part of its ids. */
export function advance({ eosIds }: ModelConfig, decoding: Decoding, token: number): void {
  if (decoding.stop !== undefined) return;
  if (eosIds.includes(token)) {
    decoding.stop = "eos";
    decoding.end = token;
    return;
  }
  const { ids, request: { maxTokens, answerTokens, thought, until } } = decoding;
  ids.push(token);
  if (thought && decoding.thoughtEnd === undefined) decoding.thoughtEnd = thought.endOf(ids);
  const most = decoding.thoughtEnd === undefined ? maxTokens : Math.min(maxTokens, decoding.thoughtEnd + answerTokens);
  if (until?.(ids)) decoding.stop = "until";
  else if (ids.length >= most) decoding.stop = "length";
  else if (thought && decoding.thoughtEnd === undefined && ids.length >= thought.budget) decoding.stop = "thought";
}
