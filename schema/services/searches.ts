/** What collecting responses and searching token pairs are asked for. */
import type { CollectInput, PairSearchInput } from "../tables/search_values.ts";

export interface CollectFailuresRequest
  extends Omit<CollectInput, "kind" | "modelId" | "benchmarkId" | "promptTemplate"> {
  readonly promptTemplate: string | undefined;
  /** The model's name. */
  readonly model: string;
  /** The benchmark's name, or the path of its file. */
  readonly benchmark: string;
  readonly idempotencyKey: string | undefined;
}

export interface FindTokenPairsRequest
  extends Omit<PairSearchInput, "kind" | "modelId" | "siblingId" | "failureCaseId"> {
  /** The models' names. */
  readonly model: string;
  readonly sibling: string | null;
  readonly idempotencyKey: string | undefined;
}
