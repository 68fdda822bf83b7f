/** What a benchmark itself answers to its items, in the form that its checker reads. */
import type { JsonObject } from "../../gpu/mod.ts";
import { checkItemOf } from "./items.ts";

export interface ReferenceSolution {
  readonly text: string;
  /** Characters of it that the question gives away: what a model says there is no step of its own. */
  readonly given: number;
  /**
   * Which places count: where both tokens hold a digit, as a solution in words may be worded otherwise and be right; any
   * that is more than white space in code.
   */
  readonly places: "numbers" | "code";
}

/** GSM8K's notes for a calculator, which stand in the middle of its solutions. */
const CALCULATOR = /<<[^>]*>>/g;

/** The solution that an item brings; undefined where it brings none (IFEval, GAIA2). */
export function referenceSolution(row: JsonObject): ReferenceSolution | undefined {
  const { answer, solution, prompt, canonical_solution: code } = row;
  switch (checkItemOf(row)?.kind) {
    case "gsm8k":
      return typeof answer === "string"
        ? { text: answer.replace(CALCULATOR, ""), given: 0, places: "numbers" }
        : undefined;
    case "math":
      return typeof solution === "string" ? { text: solution, given: 0, places: "numbers" } : undefined;
    case "humaneval":
    case "evalplus": {
      if (typeof code !== "string" || typeof prompt !== "string") return undefined;
      const given = `\`\`\`python\n${prompt}`;
      return { text: `${given}${code.trimEnd()}\n\`\`\``, given: given.length, places: "code" };
    }
    default:
      return undefined;
  }
}
