/**
 * How far stored relevance lies from an independent implementation's (test/reference/wild_relevance.py writes its file
 * beside the document): transformers with the rules that test/reference/rules.py compares with LXT.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { table } from "../paper/markdown.ts";
import type { StoredResult } from "./results.ts";

/** The independent implementation's numbers of a stored pair. */
export type ReferenceResult = Pick<StoredResult, "key" | "target" | "contrast" | "logitDifference" | "relevance">;

export interface ReferenceNumbers {
  readonly cases: number;
  /** Largest and median, over cases, of the largest difference of relevance as a share of the largest |relevance|. */
  readonly worst: number;
  readonly median: number;
  /** Largest difference of delta, in logits. */
  readonly delta: number;
}

const FILE = "reference.jsonl";

/** Null where the file is not there. */
export async function readReference(
  folder: string,
  results: readonly StoredResult[],
): Promise<ReferenceNumbers | null> {
  const text = await readFile(join(folder, FILE), "utf8").catch(() => null);
  if (text === null) return null;
  const lines = text.trimEnd().split("\n").map((line) => JSON.parse(line) as ReferenceResult);
  return compareReference(lines, results);
}

/** Over the pairs that both have; null where there is none. */
export function compareReference(
  references: readonly ReferenceResult[],
  results: readonly StoredResult[],
): ReferenceNumbers | null {
  const offs = references.flatMap(({ key, target, contrast, logitDifference, relevance }) => {
    const own = results.find((row) => row.key === key && row.target === target && row.contrast === contrast);
    if (own === undefined) return [];
    const largest = Math.max(...relevance.map(Math.abs));
    return [{
      relevance: Math.max(...relevance.map((value, at) => Math.abs(value - own.relevance[at]!))) / largest,
      delta: Math.abs(logitDifference - own.logitDifference),
    }];
  });
  if (offs.length === 0) return null;
  const sorted = offs.map(({ relevance }) => relevance).sort((a, b) => a - b);
  return {
    cases: offs.length,
    worst: sorted.at(-1)!,
    median: sorted[Math.floor(sorted.length / 2)]!,
    delta: Math.max(...offs.map(({ delta }) => delta)),
  };
}

/** Section "Against another implementation". */
export function referencePart(numbers: ReferenceNumbers | null): string {
  return `## Against another implementation

Relevance at the embeddings of failures drawn by a seed, computed by PyTorch and transformers with the rules that
\`test/reference/rules.py\` holds and \`real_shapes.py\` compares with LXT's values; its numbers are in \`${FILE}\`, which
\`python3 test/reference/wild_relevance.py\` writes. A difference is the largest of a case, as a share of its largest
|relevance|.

${
    numbers === null
      ? "*Not computed.*"
      : table(["cases", "median difference", "largest difference", "largest difference of delta, logits"], [[
        String(numbers.cases),
        numbers.median.toExponential(1),
        numbers.worst.toExponential(1),
        numbers.delta.toExponential(1),
      ]])
  }`;
}
