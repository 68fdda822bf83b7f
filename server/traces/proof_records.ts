/** Lines of a file of proofs. */
import type { ProofRecord } from "./proof.ts";

/** A line that was being written when the run was stopped is not whole: its failure is computed again, and left out here. */
export const wholeRecords = (lines: readonly string[]): ProofRecord[] =>
  lines.flatMap((line): ProofRecord[] => {
    try {
      return [JSON.parse(line) as ProofRecord];
    } catch {
      return [];
    }
  });
