/** Edited segments as the API takes them. */
import type { SegmentRange } from "../heat/documents.ts";

/** The changes as ranges of tokens that follow each other. */
export function rangesOf(changed: ReadonlyMap<number, boolean>): readonly SegmentRange[] {
  const ranges: { from: number; count: number; segment: "INSTRUCTION" | "QUERY" }[] = [];
  for (const [position, instruction] of [...changed].sort(([a], [b]) => a - b)) {
    const segment = instruction ? "INSTRUCTION" : "QUERY";
    const last = ranges.at(-1);
    if (last !== undefined && last.segment === segment && last.from + last.count === position) last.count++;
    else ranges.push({ from: position, count: 1, segment });
  }
  return ranges;
}
