/**
 * `npm run loop -- --model FOLDER --held-out FILE`: failures on made prompts become preference pairs, adapters are trained
 * on them with different token weights, and all are asked held-out prompts. In stages that go on where they were stopped.
 */
import { join } from "node:path";
import { InputError } from "../../gpu/mod.ts";
import { ROOT } from "../base/settings.ts";
import { exitWith, note, openOptions } from "../paper/options.ts";
import { openLoop, runStages } from "./run.ts";
import { writeReport } from "./report.ts";
import { type Arm, ARMS, LOOP_SETTINGS, type LoopSettings, namesOf, STAGES } from "./settings.ts";

const COUNTS = {
  "seed": "seed",
  "prompts": "prompts",
  "pairs": "pairs",
  "batch": "batch",
  "max-tokens": "maxTokens",
  "alternatives": "alternatives",
  "positions": "positions",
  "held-pairs": "heldPairs",
  "seeds": "seeds",
  "steps": "steps",
  "train-batch": "trainBatch",
  "lora": "lora",
  "save-every": "saveEvery",
  "evaluated": "evaluated",
} as const satisfies Readonly<Record<string, keyof LoopSettings>>;
const NUMBERS = { "rate": "rate", "beta": "beta" } as const satisfies Readonly<Record<string, keyof LoopSettings>>;

/** Options with their defaults, some on a line. */
function usageOf(options: Readonly<Record<string, keyof LoopSettings>>): string {
  const words = Object.entries(options).map(([name, field]) => `[--${name} ${LOOP_SETTINGS[field]}]`);
  return `  ${words.map((word, index) => index % 5 === 4 ? `${word}\n ` : word).join(" ")}`;
}

const USAGE = `PYTHON=PYTHON npm run loop -- --model FOLDER --held-out FILE [--training FILE] [--stages ${
  STAGES.join(",")
}]
  [--arms ${Object.keys(ARMS).join(",")}] [--home FOLDER] [--document FILE.md]
${usageOf({ ...COUNTS, ...NUMBERS })}
`;

async function main(): Promise<number> {
  const options = openOptions(
    [
      "model",
      "held-out",
      "training",
      "stages",
      "arms",
      "home",
      "document",
      ...Object.keys(COUNTS),
      ...Object.keys(NUMBERS),
    ],
    [],
  );
  if (options.flag("help")) {
    console.log(USAGE);
    return 0;
  }
  const needed = (name: string, mend: string) => {
    const value = options.text(name);
    if (value === undefined) throw new InputError("is missing", `--${name}`, mend);
    return value;
  };
  const model = needed("model", "give a model's folder");
  const heldOut = needed("held-out", "give the benchmark's file, as IFEval's input_data.jsonl");
  const [stages, arms] = [options.text("stages"), options.text("arms")];
  const settings: LoopSettings = {
    ...LOOP_SETTINGS,
    ...options.counts(COUNTS),
    ...options.numbers(NUMBERS),
    ...(arms === undefined ? {} : { arms: namesOf(arms, Object.keys(ARMS) as Arm[], "--arms") }),
  };
  const asked = stages === undefined ? STAGES : namesOf(stages, STAGES, "--stages");
  const home = options.text("home") ?? join(ROOT, ".culprit", "loop");
  Deno.env.set("CULPRIT_HOME", home);
  Deno.env.delete("DATABASE_URL");
  const loop = await openLoop({ model, heldOut, training: options.text("training") ?? null, settings, home, note });
  await runStages(loop, asked);
  if (asked.includes("report")) {
    await writeReport(loop, options.text("document") ?? join(ROOT, "docs", "the-loop.md"));
  }
  return 0;
}

if (import.meta.main) await exitWith(main);
