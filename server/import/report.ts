/** What an import did so far, counted as it goes. */
import type { ImportReport } from "../../schema/tables/values.ts";

/** Failures that a report keeps with their messages. */
const KEPT_FAILURES = 100;

export const EMPTY_REPORT: ImportReport = {
  lines: 0,
  inserted: 0,
  unchanged: 0,
  failedCount: 0,
  failed: [],
  responses: 0,
  passed: 0,
  failedResponses: 0,
  undecided: 0,
  disagreements: 0,
  skipped: {},
  mended: {},
};

/** A report that can be counted on. */
export type Counting = { -readonly [Field in Exclude<keyof ImportReport, "failed" | "skipped" | "mended">]: number } & {
  failed: ImportReport["failed"][number][];
  skipped: Record<string, number>;
  mended: Record<string, number>;
};

/** A copy to count on; reports of older versions lack what they did not count. */
export function counting(report: ImportReport): Counting {
  const { failed, skipped, mended } = { ...EMPTY_REPORT, ...report };
  return { ...EMPTY_REPORT, ...report, failed: [...failed], skipped: { ...skipped }, mended: { ...mended } };
}

export function countFailure(report: Counting, line: number, message: string): void {
  report.failedCount++;
  // What is quoted of a broken line may be what PostgreSQL does not store.
  const stored = message.toWellFormed().replaceAll("\0", "\u2400");
  if (report.failed.length < KEPT_FAILURES) report.failed.push({ line, message: stored });
}

export function countSkipped(report: Counting, reason: string): void {
  report.skipped[reason] = (report.skipped[reason] ?? 0) + 1;
}

export function countMended(report: Counting, mended: Readonly<Record<string, number>>): void {
  for (const [what, count] of Object.entries(mended)) report.mended[what] = (report.mended[what] ?? 0) + count;
}

/** How a response was counted: its verdict, and 4 more where log and checker disagree. A number, since there are many. */
export type CountedVerdict = number;
const [UNDECIDED, PASSED, FAILED, DISAGREES] = [0, 1, 2, 4];

export function countVerdict(report: Counting, passed: boolean | null, disagrees: boolean): CountedVerdict {
  const counted = (passed === null ? UNDECIDED : passed ? PASSED : FAILED) + (disagrees ? DISAGREES : 0);
  addVerdict(report, counted, 1);
  return counted;
}

/** Takes back how an answer was counted before it came again. */
export function uncountVerdict(report: Counting, counted: CountedVerdict): void {
  addVerdict(report, counted, -1);
}

function addVerdict(report: Counting, counted: CountedVerdict, count: 1 | -1): void {
  report.responses += count;
  if (counted >= DISAGREES) report.disagreements += count;
  const verdict = counted % DISAGREES;
  if (verdict === PASSED) report.passed += count;
  else if (verdict === FAILED) report.failedResponses += count;
  else report.undecided += count;
}
