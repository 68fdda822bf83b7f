/**
 * 10,000 files of each kind that strangers write, by their grammars (importers, config.json, tokenizer.json, chat
 * templates, safetensors, GGUF): each is read, or refused in one line.
 *
 *   npm run soak -- grammar --runs 10000 --seed 1
 *   npm run soak -- grammar --only GGUF --only "import helm"
 *   npm run soak -- grammar --only config.json --seed 5 --runs 1 --from 8251
 *
 * Each grammar is read in a process of its own, which is ended when an input takes longer than any may: what was being
 * read is named, and so is the largest memory of each. Prints a JSON line with what it saw, and exits with 1 when
 * something does not hold: the smallest such input is there.
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { GRAMMARS, type Tried, tryGrammar } from "../grammar.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "10000" },
    seed: { type: "string", default: "1" },
    from: { type: "string", default: "0" },
    only: { type: "string", multiple: true, default: Object.keys(GRAMMARS) },
    /** Reads one grammar here and tells of every input: what the part has its processes do. */
    read: { type: "string" },
  },
});
const [runs, seed, from] = [Number(values.runs), Number(values.seed), Number(values.from)];
/** More than any of these files needs to be read: a length that is believed takes it. */
const MOST_BYTES = 1e9;
/** Longer than an input may take, patterns' and templates' own limits included, on a machine that is busy. */
const MOST_MILLISECONDS = 120_000;

/** What a process says at its end. */
interface Outcome extends Tried {
  readonly bytes: number;
}

if (values.read !== undefined) {
  // Written before the input is read, so that an input that is never read to its end is known.
  const tried = await tryGrammar(values.read, { seed, runs, from, begins: (number) => say({ number }) });
  say({ ...tried, bytes: process.resourceUsage().maxRSS * 1024 });
  Deno.exit(0);
}

function say(value: object): void {
  const bytes = new TextEncoder().encode(`${JSON.stringify(value)}\n`);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}

/** Reads a grammar's inputs in a process; what it says last, or what it was reading when it was ended. */
async function readApart(name: string): Promise<Outcome> {
  const options = ["--read", name, "--seed", `${seed}`, "--runs", `${runs}`, "--from", `${from}`];
  const program = fileURLToPath(import.meta.url);
  const child = spawn(Deno.execPath(), ["run", "-A", program, ...options], { stdio: ["ignore", "pipe", "inherit"] });
  let number = from;
  let outcome: Outcome | undefined;
  const end = () => void child.kill("SIGKILL");
  let patience = setTimeout(end, MOST_MILLISECONDS);
  const ended = new Promise<string>((resolve) => child.once("close", (code, signal) => resolve(signal ?? `${code}`)));
  for await (const line of createInterface({ input: child.stdout })) {
    clearTimeout(patience);
    patience = setTimeout(end, MOST_MILLISECONDS);
    const said = JSON.parse(line) as { readonly number?: number } & Outcome;
    if (said.number === undefined) outcome = said;
    else number = said.number;
  }
  const how = await ended;
  clearTimeout(patience);
  const again = `npm run soak -- grammar --only "${name}" --seed ${seed} --runs 1 --from ${number}`;
  const fault = `its process ended (${how}) or took longer than ${MOST_MILLISECONDS / 1000} s; again: ${again}`;
  return outcome ?? { fault, read: number - from, refused: 0, bytes: 0 };
}

const started = performance.now();
const tried: Record<string, object> = {};
const faults: string[] = [];
for (const name of values.only) {
  const begun = performance.now();
  const { fault, read, refused, bytes } = await readApart(name);
  const megabytes = Math.round(bytes / 1e6);
  tried[name] = { read, refused, seconds: Math.round((performance.now() - begun) / 1000), megabytes };
  if (fault !== undefined) faults.push(`${name}: ${fault}`);
  if (bytes > MOST_BYTES) faults.push(`${name}: memory grew to ${bytes} bytes`);
  console.error(JSON.stringify({ name, ...tried[name] }));
}
const holds = faults.length === 0;
const seconds = Math.round((performance.now() - started) / 1000);
console.log(JSON.stringify({ part: "grammar", runs, seed, seconds, tried, faults, holds }));
Deno.exit(holds ? 0 : 1);
