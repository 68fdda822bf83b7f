/** HumanEval's own solutions in the sandbox: all of them pass (`npm run soak -- solutions`), a share of them in the tests. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { CodeItem } from "../server/checkers/code/program.ts";
import { openSandbox } from "../server/checkers/code/sandbox.ts";
import type { Verdict } from "../server/checkers/checker.ts";
import { seededRandom } from "./random.ts";

export const HUMANEVAL = new URL("data/humaneval/HumanEval.jsonl.gz", import.meta.url).pathname;

export interface Problem extends Omit<Extract<CodeItem, { kind: "humaneval" }>, "kind"> {
  readonly canonical_solution: string;
}

export const PROBLEMS = gunzipSync(readFileSync(HUMANEVAL)).toString().trim().split("\n").map((line) =>
  JSON.parse(line) as Problem
);

/** So many of the problems, drawn by a seed. */
export function drawProblems(count: number, seed: number): readonly Problem[] {
  const random = seededRandom(seed);
  const left = [...PROBLEMS];
  return Array.from({ length: count }, () => left.splice(random.integer(0, left.length - 1), 1)[0]!);
}

/** The verdicts on canonical solutions that did not pass. */
export async function failingSolutions(
  problems: readonly Problem[],
): Promise<readonly { readonly task: string; readonly verdict: Verdict }[]> {
  const sandbox = openSandbox({ oneSource: true });
  try {
    const verdicts = await Promise.all(problems.map(async (problem) => ({
      task: problem.task_id,
      // Far more than any needs: other work keeps the processors busy, and it is no benchmark.
      verdict: await sandbox.check(
        { ...problem, kind: "humaneval" },
        { completion: problem.canonical_solution },
        { timeoutSeconds: 60 },
      ),
    })));
    return verdicts.filter(({ verdict }) => verdict.passed !== true);
  } finally {
    await sandbox.close();
  }
}
