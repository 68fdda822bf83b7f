/**
 * `npm run wild -- --model MODEL --benchmarks FILE,...`: a model's failures from benchmark to weights, in stages that go on
 * where they were stopped; writes docs/in-the-wild.md and the files that it is written from. `--check` computes a tenth
 * of what is stored again, and compares.
 */
import { join } from "node:path";
import { InputError } from "../../gpu/mod.ts";
import { ROOT } from "../base/settings.ts";
import { exitWith, note, openOptions } from "../paper/options.ts";
import { checkRun, readStoredRun } from "./check.ts";
import { folderOf, runWild } from "./run.ts";
import { limitsOf, stagesOf, WILD_SETTINGS, type WildSettings } from "./study.ts";

const COUNTS = {
  "seed": "seed",
  "batch": "batch",
  "alternatives": "alternatives",
  "positions": "positions",
  "pairs-each": "pairsEach",
  "graphs-each": "graphsEach",
  "masked-each": "maskedEach",
  "weighted-each": "weightedEach",
  "ablated-each": "ablatedEach",
  "controls-each": "controlsEach",
  "reference-items": "referenceItems",
  "read-each": "readEach",
  "budget": "budget",
  "mask-tokens": "maskTokens",
} as const satisfies Readonly<Record<string, keyof WildSettings>>;

const USAGE = `npm run wild -- --model MODEL --benchmarks NAME|FILE,... [--limit N|NAME=N,...] [--max-tokens N]
  [--stages LIST] [--home FOLDER] [--document FILE.md] [--snapshot FILE] [--check] [--${
  Object.keys(COUNTS).join(" N] [--")
} N]
`;

async function main(): Promise<number> {
  const options = openOptions(
    ["model", "benchmarks", "limit", "max-tokens", "stages", "home", "document", "snapshot", ...Object.keys(COUNTS)],
    ["check"],
  );
  const { text: textOf, count: countOf } = options;
  if (options.flag("help")) {
    console.log(USAGE);
    return 0;
  }
  const model = textOf("model");
  if (model === undefined) throw new InputError("is missing", "--model", "give a folder, a .gguf, or a hub's ORG/NAME");
  const document = textOf("document") ?? join(ROOT, "docs", "in-the-wild.md");
  if (options.flag("check")) return await check(model, folderOf(document));
  const home = textOf("home") ?? join(ROOT, ".culprit", "wild");
  Deno.env.set("CULPRIT_HOME", home);
  Deno.env.delete("DATABASE_URL");
  await runWild({
    request: {
      model,
      benchmarks: (textOf("benchmarks") ?? "").split(",").filter((name) => name !== ""),
      limits: limitsOf(textOf("limit")),
      maxTokens: countOf("max-tokens"),
      settings: { ...WILD_SETTINGS, ...options.counts(COUNTS) },
    },
    stages: stagesOf(textOf("stages")),
    home,
    document,
    snapshot: textOf("snapshot") ?? null,
    note,
  });
  return 0;
}

async function check(model: string, folder: string): Promise<number> {
  const { gaps, ...counts } = await checkRun(model, await readStoredRun(folder), note);
  console.log(
    `${counts.sameAnswers} of ${counts.answers} answers are the same; relevance of ${counts.pairs} pairs is at most ` +
      `${
        counts.worstRelevance.toExponential(1)
      } off; ${counts.sameDiagnoses} of ${counts.diagnoses} diagnoses are the same`,
  );
  for (const gap of gaps) console.log(gap);
  console.log(gaps.length === 0 ? "The stored numbers agree." : `${gaps.length} differ.`);
  return gaps.length === 0 ? 0 : 1;
}

await exitWith(main);
