/**
 * 10,000 files of each kind that strangers write, by their grammars (importers, config.json, tokenizer.json, chat
 * templates, safetensors, GGUF): each is read, or refused in one line.
 *
 *   npm run soak -- grammar --runs 10000 --seed 1
 *   npm run soak -- grammar --only GGUF --only "import helm"
 *
 * Prints a JSON line with what it saw, and exits with 1 when something does not hold: the smallest such input is there.
 */
import { parseArgs } from "node:util";
import process from "node:process";
import { GRAMMARS, tryGrammar } from "../grammar.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "10000" },
    seed: { type: "string", default: "1" },
    only: { type: "string", multiple: true, default: Object.keys(GRAMMARS) },
  },
});
const [runs, seed] = [Number(values.runs), Number(values.seed)];
/** More than any of these files needs to be read: a length that is believed takes it. */
const MOST_BYTES = 1.5e9;

const started = performance.now();
const tried: Record<string, { readonly read: number; readonly refused: number; readonly seconds: number }> = {};
const faults: string[] = [];
for (const name of values.only) {
  const begun = performance.now();
  const { fault, read, refused } = await tryGrammar(name, { seed, runs });
  tried[name] = { read, refused, seconds: Math.round((performance.now() - begun) / 1000) };
  if (fault !== undefined) faults.push(`${name}: ${fault}`);
  console.error(JSON.stringify({ name, ...tried[name] }));
}
const largest = process.resourceUsage().maxRSS * 1024;
if (largest > MOST_BYTES) faults.push(`memory grew to ${largest} bytes`);
const holds = faults.length === 0;
const seconds = Math.round((performance.now() - started) / 1000);
console.log(
  JSON.stringify({ part: "grammar", runs, seed, seconds, megabytes: Math.round(largest / 1e6), tried, faults, holds }),
);
Deno.exit(holds ? 0 : 1);
