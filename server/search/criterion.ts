/** The words of the strict recovery criterion: what is searched, where a search stands, and what comes of it. */
import type { GenerateRequest, NextTokens, NextTokensRequest } from "../../gpu/mod.ts";
import type { Exclusion, Verdict } from "../../schema/tables/values.ts";
import type { Decided } from "../checkers/checker.ts";
import type { Recovery } from "../cases/recovery.ts";

/** What is asked of the model that failed. */
export interface SearchModel {
  readonly endIds: readonly number[];
  /** Tokens that the model's context takes. */
  readonly maxPositions: number;
  nextTokens(requests: readonly NextTokensRequest[]): Promise<readonly NextTokens[]>;
  rollouts(requests: readonly RolloutRequest[]): Promise<readonly RolloutResult[]>;
  /** Logits at the last position, [vocabulary]. */
  logits(inputIds: readonly number[]): Promise<Float32Array>;
}

/** A greedy completion that begins with a forced token. */
export type RolloutRequest = Pick<GenerateRequest, "inputIds" | "maxTokens" | "thought" | "until"> & {
  readonly force: number;
};
export interface RolloutResult {
  /** New tokens, the forced one first; the token that ended it is not among them. */
  readonly ids: readonly number[];
  readonly stop: "eos" | "length" | "until";
}

/** An open failure case. */
export interface SearchCase {
  readonly key: string;
  readonly promptIds: readonly number[];
  /** The failed response's tokens, with or without the token that ended it. */
  readonly completionIds: readonly number[];
  /** Tokens of a response at most, the response's own and those of rollouts. */
  readonly maxTokens: number;
  /** Of a response that begins with a thought. */
  readonly thinking?: {
    /** What is asked of the model where the answer goes on after some of its tokens, in a context with that much room. */
    readonly after: (before: readonly number[], room: number) => Pick<GenerateRequest, "maxTokens" | "thought">;
    /** Tokens that closed the thought when its budget was used up: none of them is the model's. */
    readonly inserted: { readonly from: number; readonly to: number };
  };
  /** The checker's verdict on a whole response; undefined when nothing can check this case. */
  readonly check: ((response: string) => Promise<Verdict>) | undefined;
  /** Gives what tells from a response's beginning that it fails, where something does: such rollouts end early. */
  readonly decided?: () => Promise<Decided | undefined>;
}

/** Text and tokens of the model that failed. */
export interface SearchTokenizer {
  encode(text: string): readonly number[];
  /** `continues`: of ids that go on where others ended. */
  decode(ids: readonly number[], options?: { readonly continues?: boolean }): string;
  token(id: number): string;
}

/** Whether the earliest position that recovers decides, or the earliest whose delta is above 1. */
export const POSITION_RULES = ["recovering", "clean"] as const;
export type PositionRule = (typeof POSITION_RULES)[number];

export interface SearchOptions {
  /** Best-ranked alternatives tried at a position. */
  readonly alternatives: number;
  /** Positions visited at most, from the first completion token on. */
  readonly positions: number;
  readonly positionRule: PositionRule;
  /** Rollouts that are decoded together. */
  readonly batch: number;
  /** Of them, how many at most stand at positions that an earlier one may make vain; as many as a batch where left out. */
  readonly ahead?: number;
}

/** An alternative that was forced, and what became of it. */
export interface TriedToken {
  /** Rank among the logits of the model that proposed it, 0 = its argmax. */
  readonly rank: number;
  readonly id: number;
  readonly text: string;
  /** Logit in the model that proposed it. */
  readonly logit: number;
  readonly completion: string;
  /** Null where the checker could not decide. */
  readonly passed: boolean | null;
  /** Whether the completion was cut where it was certain that it fails. */
  readonly endedEarly?: boolean;
}

/** A position that was visited, with its evidence. */
export interface VisitedPosition {
  /** Counted from the first completion token. */
  readonly position: number;
  /** Whose alternatives were tried. */
  readonly proposedBy: "own" | "sibling";
  /** The response's own token, and its rank and logit in the model that failed; null past the ranks looked at. */
  readonly target: { readonly id: number; readonly rank: number | null; readonly logit: number | null };
  readonly tried: readonly TriedToken[];
}

/** Where the search of a case stands: all that is needed to go on with it. */
export interface SearchState {
  readonly phase: "own" | "sibling";
  /** The next position of the phase. */
  readonly next: number;
  readonly visited: readonly VisitedPosition[];
}
export const SEARCH_START: SearchState = { phase: "own", next: 0, visited: [] };

export type Outcome =
  | { readonly kind: "clean"; readonly pair: Recovery; readonly note?: undefined }
  | {
    readonly kind: "excluded";
    readonly exclusion: Exclusion;
    /** One line with the numbers. */
    readonly note: string;
    /** Where only delta is too small. */
    readonly pair?: Recovery;
  };

/** What a wave brought for a case. */
export interface CaseUpdate<Case> {
  readonly searchCase: Case;
  readonly state: SearchState;
  /** Undefined while the search goes on. */
  readonly outcome: Outcome | undefined;
}

export interface SearchTools<Case> {
  readonly model: SearchModel;
  /** A larger model of the family with the same tokenizer. */
  readonly sibling?: Pick<SearchModel, "nextTokens"> | undefined;
  readonly tokenizer: SearchTokenizer;
  /** Called after each wave, and once before the first for cases that need none; what it throws ends the search. */
  readonly onWave: (updates: readonly CaseUpdate<Case>[], counts: SearchCounts) => Promise<void>;
}

/** What a search cost. */
export interface SearchCounts {
  readonly waves: number;
  /** Positions visited, with own alternatives or the sibling's. */
  readonly positions: number;
  /** Alternatives whose verdict was needed, and those of them that were decoded; the others were known. */
  readonly alternatives: number;
  readonly rollouts: number;
  /** Tokens of the rollouts that were decoded, the forced ones included. */
  readonly tokens: number;
}

/** A case in work. */
export interface ActiveCase<Case extends SearchCase = SearchCase> {
  readonly searchCase: Case;
  /** Largest logits that chose each completion token, and what follows the last. */
  readonly own: NextTokens;
  sibling: NextTokens | undefined;
  /** The response's tokens, the one that ended it included. */
  readonly response: readonly number[];
  /** With how many of them every response fails, whatever follows; Infinity where that is not known. */
  readonly failedBy: number;
  state: SearchState;
}

/** Positions of a response that are visited at most: none behind tokens that no response with them survives. */
export function positionsOf({ response, failedBy }: ActiveCase, { positions }: SearchOptions): number {
  return Math.min(response.length, positions, failedBy);
}
