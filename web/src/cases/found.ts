/** How many lines a list has, and the words for it. */
import type { CasesRoute } from "../shell/route.ts";

export interface Found {
  readonly count: number;
  /** False where there are more. */
  readonly isAll: boolean;
}

/** Lines that are counted at most where a text is searched, which may be in every case. */
const MOST_COUNTED = 10_000;

/** How far the lines of a list are counted; null for all of them. */
export function countedAtMost({ search }: CasesRoute): number | null {
  return search.trim() === "" ? null : MOST_COUNTED;
}

export function foundText({ count, isAll }: Found): string {
  return `${isAll ? "" : "more than "}${count.toLocaleString("en")}`;
}
