/** Runs the command line inside the test's process. */
import { type CommandLine, main } from "../server/cli.ts";

export interface CommandResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs `culprit ARGS` with this standard input, given in the chunks in which it shall arrive. */
export async function culprit(
  args: readonly string[],
  stdin: readonly (string | Uint8Array)[] = [],
  overrides: Partial<CommandLine> = {},
): Promise<CommandResult> {
  let out = "";
  let err = "";
  const encoder = new TextEncoder();
  const code = await main(args, {
    stdin: ReadableStream.from(stdin.map((chunk) => typeof chunk === "string" ? encoder.encode(chunk) : chunk)),
    out: (text) => {
      out += text;
      return Promise.resolve();
    },
    note: (text) => {
      err += text;
    },
    colour: false,
    progress: false,
    signal: new AbortController().signal,
    ...overrides,
  });
  return { code, out, err };
}
