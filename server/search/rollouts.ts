/** Rollouts of forced prefixes: decoded in batches, each prefix once, and not at all where its response is known. */
import type { Verdict } from "../../schema/tables/values.ts";
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

/** The whole response that a prefix led to, and its verdict. */
export interface RolledOut {
  readonly completion: string;
  readonly passed: boolean | null;
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

export function openRollouts(model: SearchModel, batch: number): Rollouts {
  // By prompt and length limit: cases may share a prompt.
  const known = new Map<string, KnownResponse[]>();
  const verdicts = new Map<SearchCase, Map<string, Promise<Verdict>>>();
  let alternatives = 0;
  let decoded = 0;
  let tokens = 0;

  const place = ({ promptIds, maxTokens }: SearchCase) => `${maxTokens} ${promptIds.join(",")}`;
  function know(searchCase: SearchCase, response: KnownResponse): void {
    const list = known.get(place(searchCase)) ?? [];
    list.push(response);
    known.set(place(searchCase), list);
  }
  function find({ searchCase, prefix }: WantedRollout): readonly number[] | undefined {
    // A forced end ends the response.
    if (model.endIds.includes(prefix.at(-1) as number)) return prefix.slice(0, -1);
    if (prefix.length >= searchCase.maxTokens) return prefix;
    return known.get(place(searchCase))?.find(({ forced, ids }) =>
      forced <= prefix.length && prefix.length <= ids.length && prefix.every((id, index) => id === ids[index])
    )?.ids;
  }

  async function decode(missing: readonly WantedRollout[]): Promise<void> {
    // Those of one case lie side by side, so that they share its prompt's keys and values.
    for (let from = 0; from < missing.length; from += batch) {
      const part = missing.slice(from, from + batch);
      const results = await model.rollouts(part.map((one) => requestOf(one, model.maxPositions)));
      part.forEach(({ searchCase, prefix }, index) => {
        const { ids } = results[index] as RolloutResult;
        know(searchCase, { forced: prefix.length, ids: [...prefix.slice(0, -1), ...ids] });
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
      const missing = new Map<string, WantedRollout>();
      for (const one of wanted) {
        if (!find(one)) missing.set(`${place(one.searchCase)} ${one.prefix.join(",")}`, one);
      }
      await decode([...missing.values()]);
      return await Promise.all(wanted.map(async (one) => {
        const ids = find(one);
        if (!ids) throw new Error("A rollout that was decoded is not there");
        const completion = tokenizer.decode(ids, { continues: true });
        return { completion, passed: (await verdictOn(one.searchCase, completion)).passed };
      }));
    },
    counts: () => ({ alternatives, rollouts: decoded, tokens }),
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
