/** One judgement: the tests run in one interpreter, the answer in another, and this carries plain data between them. */
import { type InterpreterProcess, ProcessEnded } from "./interpreter_process.ts";
import { type CodeItem, testsOf } from "./program.ts";

/** What came of an answer. `raised`: the exception that ended it; `ended`: it took its interpreter down, and how. */
export type Outcome =
  | { readonly kind: "passed" }
  | { readonly kind: "raised"; readonly error: string }
  | { readonly kind: "ended"; readonly how: string }
  | { readonly kind: "timed out" }
  /** The tests don't run here, whatever the answer is. */
  | { readonly kind: "undecided"; readonly reason: string };

/** The processes of one judgement. */
export interface Sides {
  /** Fresh, and of no use afterwards. */
  readonly answer: InterpreterProcess;
  /** May judge other answers to the same item afterwards, unless it was killed. */
  readonly judge: InterpreterProcess;
}

/**
 * Judges a program by the item's tests. Kills the answer's process in any case, and the judge's where the time limit ends
 * it. Only `judge` decides: whatever the answer's process says is carried to it as it is.
 */
export async function judge(sides: Sides, item: CodeItem, program: string, milliseconds: number): Promise<Outcome> {
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    void sides.answer.kill();
    void sides.judge.kill();
  }, milliseconds);
  try {
    return await converse(sides, item, program);
  } catch (error) {
    if (late) return { kind: "timed out" };
    if (error instanceof ProcessEnded) return { kind: "ended", how: error.message };
    throw error;
  } finally {
    clearTimeout(timer);
    await sides.answer.kill();
  }
}

async function converse({ answer, judge }: Sides, item: CodeItem, program: string): Promise<Outcome> {
  const defined = readDefined(await answer.exchange(JSON.stringify({ define: program })));
  if (defined !== undefined) return defined;
  const { prompt, entry_point } = item;
  const test = testsOf(item);
  for (let frame = JSON.stringify({ prompt, entry_point, test });;) {
    const said = await judge.exchange(frame);
    if (!said.startsWith(ASK)) return (JSON.parse(said) as { readonly verdict: Outcome }).verdict;
    frame = await answer.exchange(said.slice(ASK.length, -1));
    if (frame === ENDED) return { kind: "ended", how: "" };
  }
}

/** How a judge's question begins; the rest of the line is the request and a brace. */
const ASK = '{"ask":';
/** What an answer's process says when its interpreter is gone. */
const ENDED = '{"ended":true}';

/** What running the program came to, in the words of a process that may lie: undefined where it claims to have run. */
function readDefined(text: string): Outcome | undefined {
  if (text === ENDED) return { kind: "ended", how: "" };
  let said: { readonly raised?: { readonly text?: unknown }; readonly value?: unknown } | null;
  try {
    said = JSON.parse(text);
  } catch {
    said = null;
  }
  if (said?.value === null) return undefined;
  const error = said?.raised?.text;
  return { kind: "raised", error: typeof error === "string" ? error.slice(0, 500) : "what it said cannot be read" };
}
