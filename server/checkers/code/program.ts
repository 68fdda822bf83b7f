/** From an item and an answer to Python: the program that answers, and the tests. */
import type { CheckItem } from "../checker.ts";
import { withoutThinking } from "../thinking.ts";
import { evalPlusTests } from "./evalplus.ts";

export type CodeItem = Extract<CheckItem, { readonly kind: "humaneval" | "evalplus" }>;

/** What an answer says: a completion follows the item's prompt, a solution (as EvalPlus calls it) is a whole program. */
export type Answer = { readonly completion: string } | { readonly solution: string };

/** The program whose functions the item's tests call. */
export function answerProgram(item: CodeItem, answer: Answer): string {
  return `${"solution" in answer ? answer.solution : `${item.prompt}${answer.completion}`}\n`;
}

/** The Python that defines the tests, `check(candidate)`. */
export function testsOf(item: CodeItem): string {
  return item.kind === "evalplus" ? evalPlusTests(item) : withoutNumpy(item.test);
}

/** A whole program, in the form of a completion: where the prompt leaves a definition open, it is completed first. */
function asCompletion({ prompt, entry_point: name }: CodeItem, solution: string): string {
  return prompt.includes(`def ${name}`) ? `    pass\n\n${solution}` : `\n${solution}`;
}

/**
 * The tests of HumanEval+'s and MBPP+'s tables import numpy for `allclose` and two types. Where they need nothing else of
 * it, this stands in: the same comparison, for numbers and nested lists of them.
 */
function withoutNumpy(test: string): string {
  const imports = /^[ \t]*import numpy as np[ \t]*$/m;
  if (!imports.test(test)) return test;
  const used = new Set([...test.matchAll(/\bnp\.(\w+)/g)].map(([, name]) => name));
  for (const known of ["allclose", "ndarray", "float32", "float64"]) used.delete(known);
  const more = used.size > 0 || /^[ \t]*(?:import|from) numpy\b/m.test(test.replace(imports, ""));
  return more ? test : test.replace(imports, NUMPY_STAND_IN);
}

const NUMPY_STAND_IN = `
class np:
    class ndarray: pass
    class float32(float): pass
    class float64(float): pass
    @staticmethod
    def allclose(a, b, rtol=1e-05, atol=1e-08):
        import math
        def close(x, y):
            if isinstance(x, (list, tuple)) or isinstance(y, (list, tuple)):
                if not isinstance(x, (list, tuple)): return all(close(x, one) for one in y)
                if not isinstance(y, (list, tuple)): return all(close(one, y) for one in x)
                if len(x) != len(y): raise ValueError("operands could not be broadcast together")
                return all(close(one, other) for one, other in zip(x, y))
            if not isinstance(x, (int, float, complex)) or not isinstance(y, (int, float, complex)):
                raise TypeError("ufunc 'isfinite' not supported for the input types")
            if x == y: return True
            if isinstance(x, complex) or isinstance(y, complex): return abs(x - y) <= atol + rtol * abs(y)
            return math.isfinite(x) and math.isfinite(y) and abs(x - y) <= atol + rtol * abs(y)
        return close(a, b)
`;

/**
 * The completion that a conversation's answer holds, thinking left out. Where the prompt had begun the answer (`begun`,
 * an open fence), the answer goes on with it. An answer without a Markdown fence is the completion as it is, or the code
 * that stands in it between lines of prose. Else it is the first fenced block that defines the function, or the first of
 * all. A block that defines the function follows the prompt's own, empty definition and replaces it, so that the imports
 * and helpers of the prompt stay; any other block is taken as the function's body. A fence that is never closed ends with
 * the answer.
 */
export function completionOf(item: CodeItem, answer: string): string {
  const spoken = withoutThinking(answer.replaceAll("\r\n", "\n"));
  const begun = begunCode(item.begun);
  if (begun !== undefined) return continued(item, begun, spoken);
  const blocks = fencedBlocks(spoken);
  if (blocks.length === 0) return unfenced(item, spoken);
  const whole = blocks.find((block) => defines(item, block));
  return whole === undefined ? blocks[0]! : asCompletion(item, whole);
}

/** What stands in the last fence that a begun answer leaves open; undefined where none is open. */
function begunCode(begun: string | undefined): string | undefined {
  if (begun === undefined) return undefined;
  const lines = begun.split("\n");
  const fences = lines.flatMap((line, at) => FENCE.test(line) ? [at] : []);
  return fences.length % 2 === 1 ? lines.slice(fences.at(-1)! + 1).join("\n") : undefined;
}

/** An answer within the open fence ends with the fence. It completes the prompt where that is what was begun. */
function continued(item: CodeItem, begun: string, answer: string): string {
  const lines = answer.split("\n");
  const end = lines.findIndex((line) => FENCE.test(line));
  const code = (end < 0 ? lines : lines.slice(0, end)).join("\n");
  if (begun.trim() === item.prompt.trim()) return code;
  const whole = begun + code;
  return defines(item, whole) ? asCompletion(item, whole) : whole;
}

/**
 * Code without a fence: all of the answer where it is a body or a program by its first line; else what begins with the
 * first line that defines or imports, and ends before the prose behind it.
 */
function unfenced(item: CodeItem, answer: string): string {
  if (!defines(item, answer)) return answer;
  const lines = answer.split("\n");
  const start = lines.findIndex((line) => STATEMENT.test(line));
  const rest = lines.slice(start);
  // Prose is a line at the margin that begins no statement.
  const end = rest.findIndex((line) =>
    line !== "" && /^\S/.test(line) && !STATEMENT.test(line) && !/^[)\]}#]/.test(line)
  );
  return asCompletion(item, (end < 0 ? rest : rest.slice(0, end)).join("\n"));
}

/** A line at the margin that Python code has there. */
const STATEMENT =
  /^(?:(?:async )?def \w+\s*\(|class \w+|import \w|from [\w.]+ import\b|@\w|if .*:\s*$|else:|elif .*:|for .*:\s*$|while .*:\s*$|try:|except\b.*:|finally:|with .*:\s*$|return\b|assert\b|[\w.\[\], ]+\s*(?:[-+*/%|&]?=)(?!=)|\w+(?:\.\w+)*\(.*\)\s*$)/;

function defines({ entry_point: name }: CodeItem, code: string): boolean {
  return new RegExp(`^(?:async )?def ${escape(name)}\\b|^${escape(name)} *=`, "m").test(code);
}

const FENCE = /^[ \t]*(`{3,}|~{3,})/;

/** Blocks of Markdown; those of a list's item without its indentation. */
function fencedBlocks(text: string): readonly string[] {
  const blocks: string[] = [];
  let open: { readonly fence: string; readonly indent: number; readonly lines: string[] } | undefined;
  for (const line of text.split("\n")) {
    const fence = FENCE.exec(line)?.[1];
    if (open === undefined) {
      if (fence) open = { fence, indent: line.indexOf(fence), lines: [] };
    } else if (fence?.startsWith(open.fence) && line.trim() === fence) {
      blocks.push(open.lines.join("\n"));
      open = undefined;
    } else open.lines.push(line.replace(new RegExp(`^[ \\t]{0,${open.indent}}`), ""));
  }
  if (open) blocks.push(open.lines.join("\n"));
  return blocks;
}

function escape(name: string): string {
  return name.replaceAll(/[^\w]/g, "\\$&");
}
