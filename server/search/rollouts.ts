/**
 * Rollouts of forced prefixes: decoded in batches, each prefix once, and not at all where its response is known. Where the
 * checker can tell from a beginning that every such response fails, a rollout ends there.
 */
import type { Verdict } from "../../schema/tables/values.ts";
import type { Decided } from "../checkers/checker.ts";
import type {
  RolloutRequest,
  RolloutResult,
  SearchCase,
  SearchCounts,
  SearchModel,
  SearchTokenizer,
} from "./criterion.ts";

/** A completion prefix whose last token is forced. */
export interface WantedRollout {
  readonly searchCase: SearchCase;
  /** Tokens of the completion, at least one. */
  readonly prefix: readonly number[];
}

/** The response that a prefix led to, and its verdict. */
export interface RolledOut {
  readonly completion: string;
  readonly passed: boolean | null;
  /** There where the completion was cut, since it fails whatever follows. */
  readonly endedEarly?: true;
}

export interface Rollouts {
  /** Tells a greedy response: every prefix of it from `forced` tokens on leads to it, and is not decoded. */
  know(searchCase: SearchCase, response: KnownResponse): void;
  /** Responses in the order of what is wanted. */
  complete(wanted: readonly WantedRollout[], tokenizer: SearchTokenizer): Promise<RolledOut[]>;
  counts(): Pick<SearchCounts, "alternatives" | "rollouts" | "tokens">;
}

/** A known greedy response: every prefix of it from `forced` tokens on leads to it. */
export interface KnownResponse {
  readonly forced: number;
  /** Without the token that ended it. */
  readonly ids: readonly number[];
}

/** What is known of a prefix: the whole response, or so much of it as decides that it fails for the case `cutFor`. */
interface Known extends KnownResponse {
  readonly cutFor?: SearchCase;
}

export function openRollouts(model: SearchModel, batch: number): Rollouts {
  // By prompt and length limit: cases may share a prompt.
  const known = new Map<string, Known[]>();
  const deciders = new Map<SearchCase, Decided | undefined>();
  const verdicts = new Map<SearchCase, Map<string, Promise<Verdict>>>();
  let alternatives = 0;
  let decoded = 0;
  let tokens = 0;

  const place = ({ promptIds, maxTokens }: SearchCase) => `${maxTokens} ${promptIds.join(",")}`;
  function know(searchCase: SearchCase, response: Known): void {
    const list = known.get(place(searchCase)) ?? [];
    list.push(response);
    known.set(place(searchCase), list);
  }
  function find({ searchCase, prefix }: WantedRollout): Known | undefined {
    const forced = prefix.length;
    // A forced end ends the response.
    if (model.endIds.includes(prefix.at(-1) as number)) return { forced, ids: prefix.slice(0, -1) };
    if (prefix.length >= searchCase.maxTokens) return { forced, ids: prefix };
    return known.get(place(searchCase))?.find(({ forced, ids, cutFor = searchCase }) =>
      cutFor === searchCase && forced <= prefix.length && prefix.length <= ids.length &&
      prefix.every((id, index) => id === ids[index])
    );
  }

  async function deciderOf(searchCase: SearchCase): Promise<Decided | undefined> {
    if (!deciders.has(searchCase)) deciders.set(searchCase, await searchCase.decided?.());
    return deciders.get(searchCase);
  }

  /** Those that are neither known nor decided by what is forced, each once. */
  async function missingOf(wanted: readonly WantedRollout[], tokenizer: SearchTokenizer): Promise<WantedRollout[]> {
    const missing = new Map<string, WantedRollout>();
    for (const one of wanted) {
      const { searchCase, prefix } = one;
      if (find(one)) continue;
      const decided = await deciderOf(searchCase);
      if (decided?.(beginningOf(tokenizer, prefix))) {
        know(searchCase, { forced: prefix.length, ids: prefix, cutFor: searchCase });
      } else missing.set(`${decided ? searchCase.key : ""} ${place(searchCase)} ${prefix.join(",")}`, one);
    }
    return [...missing.values()];
  }

  async function decode(missing: readonly WantedRollout[], tokenizer: SearchTokenizer): Promise<void> {
    // Those of one case lie side by side, so that they share its prompt's keys and values.
    for (let from = 0; from < missing.length; from += batch) {
      const part = missing.slice(from, from + batch);
      const results = await model.rollouts(part.map((one) => {
        const decided = deciders.get(one.searchCase);
        const before = one.prefix.slice(0, -1);
        return {
          ...requestOf(one, model.maxPositions),
          ...decided && { until: untilDecided(decided, before, tokenizer) },
        };
      }));
      part.forEach(({ searchCase, prefix }, index) => {
        const { ids, stop } = results[index] as RolloutResult;
        const response = { forced: prefix.length, ids: [...prefix.slice(0, -1), ...ids] };
        const isCut = stop === "until" && response.ids.length < searchCase.maxTokens;
        know(searchCase, isCut ? { ...response, cutFor: searchCase } : response);
        tokens += ids.length;
      });
      decoded += part.length;
    }
  }

  function verdictOn(searchCase: SearchCase, response: string): Promise<Verdict> {
    const { check } = searchCase;
    if (!check) throw new Error(`${searchCase.key} has no checker`);
    const own = verdicts.get(searchCase) ?? new Map<string, Promise<Verdict>>();
    verdicts.set(searchCase, own);
    const found = own.get(response) ?? check(response);
    own.set(response, found);
    return found;
  }

  return {
    know,
    complete: async (wanted, tokenizer) => {
      alternatives += wanted.length;
      await decode(await missingOf(wanted, tokenizer), tokenizer);
      return await Promise.all(wanted.map(async (one): Promise<RolledOut> => {
        const found = find(one);
        if (!found) throw new Error("A rollout that was decoded is not there");
        const completion = tokenizer.decode(found.ids, { continues: true });
        const { passed } = await verdictOn(one.searchCase, completion);
        if (!found.cutFor) return { completion, passed };
        if (passed !== false) throw new Error(`${one.searchCase.key}: a rollout ended early, but does not fail`);
        return { completion, passed, endedEarly: true };
      }));
    },
    counts: () => ({ alternatives, rollouts: decoded, tokens }),
  };
}

/** The text that a response begins with for certain: a character whose bytes are not all there is left out. */
export function beginningOf(tokenizer: SearchTokenizer, ids: readonly number[]): string {
  return tokenizer.decode(ids, { continues: true }).replace(/\ufffd+$/, "");
}

/** Share of a rollout's tokens that may be decoded in vain, so that its text is not read anew after each of them. */
const IN_VAIN = 1 / 8;

/** Ends a rollout behind `before` soon after its beginning decides. */
function untilDecided(
  decided: Decided,
  before: readonly number[],
  tokenizer: SearchTokenizer,
): NonNullable<RolloutRequest["until"]> {
  let next = 1;
  return (ids) => {
    if (ids.length < next) return false;
    next = ids.length + 1 + Math.floor(ids.length * IN_VAIN);
    return decided(beginningOf(tokenizer, [...before, ...ids]));
  };
}

function requestOf({ searchCase, prefix }: WantedRollout, maxPositions: number): RolloutRequest {
  const before = prefix.slice(0, -1);
  const inputIds = [...searchCase.promptIds, ...before];
  return { inputIds, force: prefix.at(-1) as number, ...lengthAfter(searchCase, before, maxPositions) };
}

/** How long a response may go on after some of its tokens. */
export function lengthAfter(
  { promptIds, maxTokens, thinking }: SearchCase,
  before: readonly number[],
  maxPositions: number,
): Pick<RolloutRequest, "maxTokens" | "thought"> {
  const room = maxPositions - promptIds.length - before.length;
  return thinking?.after(before, room) ?? { maxTokens: Math.min(maxTokens - before.length, room) };
}
