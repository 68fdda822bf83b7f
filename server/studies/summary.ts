/** What a study says: deltas of the same pairs on two members, and of all members together (docs/studies.md). */
import { bootstrapInterval, type Interval } from "../base/statistics/bootstrap.ts";

/** Above this a model chooses the wrong token clearly; below its negative, the right one (docs/method.md, section 8). */
export const CLEAR_DELTA = 1;

export const VERDICTS = ["corrected", "not_corrected", "undecided"] as const;
export type StudyVerdict = (typeof VERDICTS)[number];

/** Whether the member with delta `y` corrects what the one with delta `x` gets wrong. */
export function verdictOf(x: number, y: number): StudyVerdict {
  if (y > CLEAR_DELTA) return "not_corrected";
  return x > CLEAR_DELTA && y < -CLEAR_DELTA ? "corrected" : "undecided";
}

/** A pair's attribution on one member. */
export interface StudyNumber {
  readonly tokenPairId: number;
  readonly modelId: number;
  readonly delta: number;
  /** Sums of normalised relevance at the embeddings by segment; null where they were never computed. */
  readonly segments: SegmentSums | null;
}

export interface SegmentSums {
  readonly instruction: number;
  readonly query: number;
  readonly answer: number;
  readonly special: number;
}
const SEGMENTS = ["instruction", "query", "answer", "special"] as const;

/** Mean sums by segment over the pairs of one verdict, or over all. */
export interface SegmentRow {
  readonly verdict: StudyVerdict | null;
  /** Pairs in the means. */
  readonly count: number;
  readonly means: SegmentSums | null;
}

export interface MemberSummary {
  readonly modelId: number;
  readonly label: string;
  readonly position: number;
  /** Pairs attributed on this member. */
  readonly attributed: number;
  /** Mean delta over the pairs that every member has; null when there are none. */
  readonly delta: Interval | null;
  /** Share of those pairs with delta > 1. */
  readonly failing: number | null;
  readonly segments: readonly SegmentRow[];
}

export interface StudySummary {
  /** Labels of the members that verdicts compare. */
  readonly x: string;
  readonly y: string;
  /** Pairs of the study; those that both members have; those that every member has. */
  readonly pairs: number;
  readonly both: number;
  readonly all: number;
  readonly counts: Readonly<Record<StudyVerdict, number>>;
  readonly members: readonly MemberSummary[];
}

interface Member {
  readonly modelId: number;
  readonly label: string;
  readonly position: number;
}

/** Numbers drawn for one interval at most: large samples are drawn again less often. */
const DRAWN = 20_000_000;
/** The jackknife of BCa takes time by the square of the sample. */
const BCA_MOST = 2000;

/** Sums up a study. Means over pairs that some members lack would not compare members, so those pairs stand out. */
export function summariseStudy(
  numbers: readonly StudyNumber[],
  members: readonly Member[],
  [x, y]: readonly [Member, Member],
  { pairs, seed }: { readonly pairs: number; readonly seed: number },
): StudySummary {
  const byPair = Map.groupBy(numbers, ({ tokenPairId }) => tokenPairId);
  const ofModel = (own: readonly StudyNumber[], { modelId }: Member) => own.find((each) => each.modelId === modelId);
  const verdicts = new Map<number, StudyVerdict>();
  for (const [pair, own] of byPair) {
    const [first, second] = [ofModel(own, x), ofModel(own, y)];
    if (first && second) verdicts.set(pair, verdictOf(first.delta, second.delta));
  }
  const whole = [...byPair.values()].filter((own) => members.every((member) => ofModel(own, member)));
  const count = (verdict: StudyVerdict) => [...verdicts.values()].filter((each) => each === verdict).length;
  return {
    x: x.label,
    y: y.label,
    pairs,
    both: verdicts.size,
    all: whole.length,
    counts: { corrected: count("corrected"), not_corrected: count("not_corrected"), undecided: count("undecided") },
    members: members.map((member) => {
      const deltas = whole.map((own) => ofModel(own, member)!.delta);
      const own = numbers.filter(({ modelId }) => modelId === member.modelId);
      return {
        ...member,
        attributed: own.length,
        delta: deltas.length === 0 ? null : deltaInterval(deltas, member.label, seed),
        failing: deltas.length === 0 ? null : deltas.filter((delta) => delta > CLEAR_DELTA).length / deltas.length,
        segments: [null, ...VERDICTS].map((verdict) =>
          segmentRow(
            verdict,
            own.filter(({ tokenPairId }) => verdict === null || verdicts.get(tokenPairId) === verdict),
          )
        ),
      };
    }),
  };
}

function deltaInterval(deltas: readonly number[], label: string, seed: number): Interval {
  return bootstrapInterval(deltas, {
    seed,
    name: `study delta/${label}`,
    resamples: Math.min(10_000, Math.ceil(DRAWN / deltas.length)),
    method: deltas.length > BCA_MOST ? "percentile" : "bca",
  });
}

function segmentRow(verdict: StudyVerdict | null, numbers: readonly StudyNumber[]): SegmentRow {
  const sums = numbers.flatMap(({ segments }) => segments === null ? [] : [segments]);
  if (sums.length === 0) return { verdict, count: 0, means: null };
  const means = Object.fromEntries(
    SEGMENTS.map((name) => [name, sums.reduce((sum, each) => sum + each[name], 0) / sums.length]),
  );
  return { verdict, count: sums.length, means: means as unknown as SegmentSums };
}
