/** What annotators decide together about a failure case. */

/** What one annotator says, by the ids that the case's model uses. */
export interface Vote {
  readonly annotator: string;
  readonly decision: "pair" | "exclude";
  /** Counted from the completion's first token; null for "exclude". */
  readonly position: number | null;
  readonly contrastId: number | null;
  readonly reason: string;
}

export type Ballot =
  | {
    readonly kind: "pair";
    readonly position: number;
    readonly contrastId: number;
    /** Who chose it, by name. */
    readonly annotators: readonly string[];
  }
  | { readonly kind: "exclude"; readonly annotators: readonly string[]; readonly reason: string }
  | {
    /** No choice has more than half of the votes. */
    readonly kind: "tie";
    /** Choices with who made them, most votes first. */
    readonly choices: readonly (readonly Vote[])[];
  };

/** Position and contrast taken together, or an exclusion: the choice of more than half of the votes decides. */
export function countVotes(votes: readonly Vote[]): Ballot | undefined {
  const choices = new Map<string, Vote[]>();
  for (const vote of [...votes].sort((a, b) => a.annotator < b.annotator ? -1 : 1)) {
    const choice = vote.decision === "exclude" ? "exclude" : `${vote.position} ${vote.contrastId}`;
    choices.set(choice, [...choices.get(choice) ?? [], vote]);
  }
  const ordered = [...choices.values()].sort((a, b) => b.length - a.length);
  const [most] = ordered;
  const [first] = most ?? [];
  if (!most || !first) return undefined;
  if (most.length * 2 <= votes.length) return { kind: "tie", choices: ordered };
  const annotators = most.map(({ annotator }) => annotator);
  if (first.position === null || first.contrastId === null) {
    const reason = [...new Set(most.map((vote) => vote.reason).filter((text) => text !== ""))].join("; ");
    return { kind: "exclude", annotators, reason };
  }
  return { kind: "pair", position: first.position, contrastId: first.contrastId, annotators };
}

/** One line that says who wants what; `textOf` shows a token. */
export function describeTie({ choices }: Extract<Ballot, { kind: "tie" }>, textOf: (id: number) => string): string {
  const said = choices.map((votes) => {
    const [{ position, contrastId } = { position: null, contrastId: null }] = votes;
    const names = votes.map(({ annotator }) => annotator).join(", ");
    return contrastId === null
      ? `leave out (${names})`
      : `${JSON.stringify(textOf(contrastId))} at position ${position} (${names})`;
  });
  return `annotators disagree: ${said.join(" or ")}`;
}
