/** Lines that `check` judges: one that cannot be judged is answered in its place, the others are judged all the same. */
import { InputError } from "../../gpu/mod.ts";
import { type JsonLine, readJsonObjects } from "./json_lines.ts";
import type { VerbContext } from "./verb.ts";

/** What a line says, or why it cannot be judged. */
export type Judgeable<Line> = Line | InputError;

/** Reads each line of a file. Throws InputError only where the file as a whole cannot be read, or holds no line. */
export async function readJudgeable<Line>(
  path: string,
  signal: AbortSignal,
  read: (line: JsonLine) => Line,
): Promise<readonly Judgeable<Line>[]> {
  const lines: Judgeable<Line>[] = [];
  for await (const one of readJsonObjects(path, signal)) {
    try {
      lines.push(one instanceof InputError ? one : read(one));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      lines.push(error);
    }
  }
  return lines;
}

/** Answers a line that cannot be judged. */
export async function outError(context: VerbContext, error: InputError): Promise<void> {
  await context.out(context.json ? `${JSON.stringify({ error: error.message })}\n` : `${error.message}\n`);
}

/** Ends the work as failed where lines could not be judged. */
export function failWhereUnjudged(lines: readonly unknown[], path: string): void {
  const wrong = lines.filter((line) => line instanceof InputError).length;
  if (wrong > 0) throw new Error(`${path}: ${wrong} of ${lines.length} lines could not be judged; the others were`);
}
