/** From an answer to the Python program that tests it. */
import type { CheckItem } from "../checker.ts";

export type CodeItem = Extract<CheckItem, { readonly kind: "humaneval" }>;

/** What an answer says: a completion follows the item's prompt, a solution (as EvalPlus calls it) is a whole program. */
export type Answer = { readonly completion: string } | { readonly solution: string };

/** The program whose functions the item's tests call. */
export function answerProgram(item: CodeItem, answer: Answer): string {
  return `${"solution" in answer ? answer.solution : `${item.prompt}${answer.completion}`}\n`;
}

/**
 * The completion that a conversation's answer holds. An answer without a Markdown fence is the completion as it is.
 * Else it is the first fenced block that defines the function, or the first of all. A block that defines the function
 * follows the prompt's own, empty definition and replaces it, so that the imports and helpers of the prompt stay; any
 * other block is taken as the function's body. A fence that is never closed ends with the answer.
 */
export function completionOf(item: CodeItem, answer: string): string {
  const blocks = fencedBlocks(answer);
  if (blocks.length === 0) return answer;
  const defines = new RegExp(`^(?:async )?def ${escape(item.entry_point)}\\b|^${escape(item.entry_point)} *=`, "m");
  const whole = blocks.find((block) => defines.test(block));
  return whole === undefined ? blocks[0]! : `    pass\n\n${whole}`;
}

const FENCE = /^[ \t]*(`{3,}|~{3,})/;

function fencedBlocks(text: string): readonly string[] {
  const blocks: string[] = [];
  let open: { readonly fence: string; readonly lines: string[] } | undefined;
  for (const line of text.split("\n")) {
    const fence = FENCE.exec(line)?.[1];
    if (open === undefined) {
      if (fence) open = { fence, lines: [] };
    } else if (fence?.startsWith(open.fence) && line.trim() === fence) {
      blocks.push(open.lines.join("\n"));
      open = undefined;
    } else open.lines.push(line);
  }
  if (open) blocks.push(open.lines.join("\n"));
  return blocks;
}

function escape(name: string): string {
  return name.replaceAll(/[^\w]/g, "\\$&");
}
