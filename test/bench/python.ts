/** Python programs that answer requests line by line: reference.py --serve, decode_reference.py. */
import { join } from "node:path";
import { InputError } from "../../gpu/errors.ts";

/** One run of either side. */
export interface Run {
  readonly seconds: number;
  readonly peakBytes: number | null;
  /** [layers + 1, tokens] */
  readonly nodeRelevance: ArrayLike<number>;
  /** Sum of |weight| of each transition's candidate edges. */
  readonly totalMass: readonly number[];
  /** Tokens that have edges, over all transitions. */
  readonly targets: number;
}

export interface Reference {
  readonly adapter: string;
  /** Where the reference would run by default. */
  readonly places: readonly string[];
  /** Its answer to one request; the program says which there are. */
  ask<T>(request: Readonly<Record<string, unknown>>): Promise<T>;
  close(): Promise<void>;
}

/** Starts reference.py on a place (its default one when undefined), and waits until its model is loaded. */
export async function openReference(
  { model, idsFile, batch, on }: {
    readonly model: string;
    /** JSON with input_ids, target and contrast. */
    readonly idsFile: string;
    readonly batch: number;
    readonly on: string | undefined;
  },
): Promise<Reference> {
  const place = on === undefined ? [] : ["--on", on];
  return await openPython("reference.py", [
    "--model",
    model,
    "--ids",
    idsFile,
    "--batch",
    String(batch),
    "--serve",
    ...place,
  ]);
}

/** Starts a program of this folder, and waits for the line in which it says where it runs. */
export async function openPython(program: string, args: readonly string[]): Promise<Reference> {
  const python = Deno.env.get("PYTHON") || "python3";
  const script = join(import.meta.dirname as string, program);
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(python, {
      args: [script, ...args],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new InputError(`there is no ${python}`, "PYTHON", "name a Python: pip install torch transformers lxt");
  }
  const input = child.stdin.getWriter();
  const lines = linesOf(child.stdout);
  const answer = async () => {
    const { value, done } = await lines.next();
    if (!done) return JSON.parse(value);
    const { code } = await child.status;
    throw new InputError(`${python} ended with code ${code}`, "PYTHON", "see its message above");
  };
  const { adapter, places = [] } = await answer();
  return {
    adapter,
    places,
    async ask<T>(request: Readonly<Record<string, unknown>>) {
      await input.write(new TextEncoder().encode(`${JSON.stringify(request)}\n`));
      return await answer() as T;
    },
    async close() {
      await input.close();
      await child.status;
    },
  };
}

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string, void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() as string;
    yield* lines;
  }
}
