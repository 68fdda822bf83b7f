/** What annotators say of failure cases. */

export interface AnnotateRequest {
  readonly annotator: string;
  readonly decision: "pair" | "exclude";
  /** Counted from the completion's first token. */
  readonly position: number | null;
  readonly targetId: number | null;
  readonly contrast: { readonly id: number } | { readonly text: string } | null;
  readonly reason: string;
  /** An exclusion counts at once, instead of being one vote. */
  readonly settle: boolean;
}

/** Tokens that follow each other and the letter of their segment. */
export interface SegmentRange {
  readonly from: number;
  readonly count: number;
  readonly segment: "I" | "Q" | "A" | "S";
}

/** How far two annotators agree. */
export interface AnnotatorAgreement {
  readonly annotators: string[];
  readonly cases: number;
  readonly decisionObserved: number;
  readonly decisionKappa: number | null;
  readonly pairs: number;
  readonly choiceObserved: number | null;
  readonly choiceKappa: number | null;
}
