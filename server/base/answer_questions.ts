/** The other side of `askProcess`: answers the questions of standard input, a JSON line each, and ends with it. */
import process from "node:process";
import { createInterface } from "node:readline";
import { InputError } from "../../gpu/mod.ts";

/** A line of standard output. */
export type AnswerLine<Answer> =
  | { readonly answer: Answer }
  | { readonly problem: { readonly what: string; readonly where: string; readonly mend: string } }
  | { readonly failure: string };

/** Answers until standard input ends, then ends the process. */
export async function answerQuestions<Question, Answer>(
  answer: (question: Question) => Promise<Answer>,
): Promise<never> {
  // Who asks waits for lines on standard output; Ctrl-C in a terminal is his to hear.
  process.on("SIGINT", () => {});
  for await (const line of createInterface({ input: process.stdin })) {
    const said = await answer(JSON.parse(line) as Question).then(
      (value): AnswerLine<Answer> => ({ answer: value }),
      lineOf,
    );
    process.stdout.write(`${JSON.stringify(said)}\n`);
  }
  process.exit(0);
}

function lineOf(error: unknown): AnswerLine<never> {
  if (error instanceof InputError) return { problem: { what: error.what, where: error.where, mend: error.mend } };
  return { failure: error instanceof Error ? error.stack ?? error.message : String(error) };
}
