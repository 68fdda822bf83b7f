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

export function countVerdict(report: Counting, passed: boolean | null, disagrees: boolean): void {
  report.responses++;
  if (passed === true) report.passed++;
  else if (passed === false) report.failedResponses++;
  else report.undecided++;
  if (disagrees) report.disagreements++;
}
