/** Runs the command line's own verbs one after another and notes what each part took. */
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openEngine } from "../../gpu/mod.ts";
import { type CommandLine, main } from "../cli.ts";
import { ROOT } from "../base/settings.ts";
import { keepEngine } from "../models/kept_engine.ts";

/** Wall seconds of a part. */
export interface Timed {
  readonly part: string;
  readonly seconds: number;
}

export type Note = (text: string) => void;

/** The engine of all verbs of this process. */
export const openVerbEngine = keepEngine(openEngine);

/** What a verb said when it failed, and its exit code; which verb is noted before it runs. */
export class VerbFailure extends Error {
  constructor(message: string, readonly code: number) {
    super(message);
  }
}

/** Runs one verb. Throws VerbFailure when it fails. */
export async function runVerb(args: readonly string[], note: Note): Promise<void> {
  await outputOf(args, note);
}

/** Runs one verb with --json and reads its lines. Throws VerbFailure when it fails. */
export async function readVerb(
  args: readonly string[],
  note: Note,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const text = await outputOf(args, note);
  return text.split("\n").filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
}

async function outputOf(args: readonly string[], note: Note): Promise<string> {
  let [out, told] = ["", ""];
  const line: CommandLine = {
    stdin: new ReadableStream({ start: (controller) => controller.close() }),
    out: (text) => {
      out += text;
      return Promise.resolve();
    },
    note: (text) => {
      told += text;
    },
    colour: false,
    progress: false,
    interactive: false,
    signal: new AbortController().signal,
    openEngine: openVerbEngine,
  };
  note(`culprit ${args.map((arg) => arg.replace(`${ROOT}/`, "")).join(" ")}\n`);
  const code = await main(args, line);
  if (code !== 0) throw new VerbFailure(told.trim(), code);
  return out;
}

/** Wall seconds of some work. */
export async function secondsOf(work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

/** Where a run goes on from what a home holds, parts that are done take no time: the longest time of each counts. */
export async function withEarlier(home: string, timed: readonly Timed[]): Promise<Timed[]> {
  const earlier = await readTimed(home);
  const longest = timed.map(({ part, seconds }) => ({
    part,
    seconds: Math.max(seconds, ...earlier.filter((one) => one.part === part).map((one) => one.seconds)),
  }));
  await writeFile(timedFile(home), JSON.stringify(longest));
  return longest;
}

/** Adds to a part's time: of work that is done in pieces, by runs that may be killed between them. */
export async function addTimed(home: string, { part, seconds }: Timed): Promise<void> {
  const earlier = await readTimed(home);
  const before = earlier.find((one) => one.part === part)?.seconds ?? 0;
  const others = earlier.filter((one) => one.part !== part);
  // Others may read it meanwhile.
  const draft = `${timedFile(home)}.${crypto.randomUUID()}`;
  await writeFile(draft, JSON.stringify([...others, { part, seconds: before + seconds }]));
  await rename(draft, timedFile(home));
}

/** What earlier runs in this home took. */
export async function readTimed(home: string): Promise<Timed[]> {
  return JSON.parse(await readFile(timedFile(home), "utf8").catch(() => "[]")) as Timed[];
}

const timedFile = (home: string): string => join(home, "timed.json");
