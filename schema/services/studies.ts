/** What series and studies are asked for, and what a study says. */
import type { SeriesKind, StudyPairs } from "../tables/analysis_values.ts";
import type { Rule } from "../tables/rules.ts";
import type { IntervalRow } from "./masking.ts";

export interface AddModelSeriesRequest {
  readonly name: string;
  readonly kind: SeriesKind;
  readonly members: readonly {
    /** The model's name. */
    readonly model: string;
    readonly label: string | undefined;
    readonly position: number | undefined;
  }[];
}

export interface RunStudyRequest {
  /** The series' name. */
  readonly series: string;
  /** Made of series and rule when left out. */
  readonly name: string | undefined;
  readonly rule: Rule;
  /** Pairs to add; null: those that the study has, and all clean pairs of the members' cases when it is new. */
  readonly pairs: StudyPairs | null;
  readonly idempotencyKey: string | undefined;
}

export type VerdictName = "corrected" | "not_corrected" | "undecided";

/** Which points of a study's scatter; `limit` counts one more than the page. */
export interface StudyPointsRequest {
  readonly x: string | undefined;
  readonly y: string | undefined;
  readonly verdict: VerdictName | undefined;
  /** Row ids of token pairs. */
  readonly after: number | undefined;
  readonly before: number | undefined;
  readonly limit: number;
  readonly backwards: boolean;
}

export interface StudyPointRow {
  readonly tokenPairId: number;
  readonly failureCaseId: number;
  readonly key: string;
  readonly benchmark: string;
  readonly targetText: string;
  readonly contrastText: string;
  readonly xAttributionId: number;
  readonly yAttributionId: number;
  readonly x: number;
  readonly y: number;
  readonly verdict: VerdictName;
}

export interface SegmentsRow {
  readonly verdict: VerdictName | null;
  readonly count: number;
  readonly means: {
    readonly instruction: number;
    readonly query: number;
    readonly answer: number;
    readonly special: number;
  } | null;
}

export interface MemberRow {
  readonly label: string;
  readonly position: number;
  readonly attributed: number;
  readonly delta: IntervalRow | null;
  readonly failing: number | null;
  readonly segments: readonly SegmentsRow[];
}

/** Pairs of a study that are failures of one model. */
export interface StudySourceRow {
  /** Its label in the series; its name when it is no member. */
  readonly model: string;
  readonly pairs: number;
  /** Those with delta above 1 on it. */
  readonly clear: number;
}

export interface StudySummaryRow {
  readonly sources: readonly StudySourceRow[];
  readonly x: string;
  readonly y: string;
  readonly pairs: number;
  readonly both: number;
  readonly all: number;
  readonly counts: Readonly<Record<VerdictName, number>>;
  readonly members: readonly MemberRow[];
}

/** What changes from a study's member to another. */
export interface StudyMovementRow {
  /** Label of the member that is compared. */
  readonly from: string;
  readonly label: string;
  /** Pairs attributed on both. */
  readonly pairs: number;
  /** `corrected`: failures that are the first member's own. */
  readonly counts: Readonly<Record<VerdictName, number>>;
  /** Part of the relevance that lies elsewhere, mean over pairs; null without any. */
  readonly moved: IntervalRow | null;
  /** Those that moved most. */
  readonly most: readonly {
    readonly tokenPairId: number;
    readonly key: string;
    readonly x: number;
    readonly y: number;
    readonly moved: number;
  }[];
}
