/** Preference pairs of a run: each arm's weights, and which pairs are held out of training. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../../gpu/mod.ts";
import { randomStream, shuffled } from "../base/statistics/random.ts";
import { heldPairsFile, readLines, trainedPairsFile, weightFile, writeLines } from "./files.ts";
import { type Arm, ARMS, type LoopSettings } from "./settings.ts";

/** A line of an export in the format trl-weighted, as far as it is read here. */
export interface WeightedRow {
  readonly key: string;
  readonly chosen_weights: readonly number[];
  readonly rejected_weights: readonly number[];
  readonly marks: string;
}

/** What `culprit export preferences` is asked for one arm. */
export function exportArguments(
  home: string,
  arm: Arm,
  { model, benchmark, settings: { pairs, seed } }: {
    readonly model: string;
    readonly benchmark: string;
    readonly settings: LoopSettings;
  },
): readonly string[] {
  const { formula, weights } = ARMS[arm];
  return [
    ...["export", "preferences", "--out", weightFile(home, arm), "--model", model, "--benchmark", benchmark],
    ...["--selection", "all", "--limit", String(pairs), "--sample", String(seed), "--seed", String(seed)],
    ...["--formula", formula, "--weights", weights],
  ];
}

/** The keys of held-out pairs, drawn by the seed: so many of a hundred, one at least of two or more. */
export function drawHeld(keys: readonly string[], { seed, heldPairs }: LoopSettings): ReadonlySet<string> {
  const count = keys.length < 2 ? 0 : Math.max(1, Math.round(keys.length * heldPairs / 100));
  return new Set(shuffled([...keys].sort(), randomStream(seed, "held-out pairs")).slice(0, count));
}

/** Divides every arm's pairs, all arms alike. Throws InputError where arms have other pairs, or none is left to train on. */
export async function splitPairs(home: string, settings: LoopSettings): Promise<void> {
  await mkdir(join(home, "weights"), { recursive: true });
  let held: ReadonlySet<string> | undefined;
  let known: string | undefined;
  for (const arm of settings.arms) {
    const rows = await readLines<WeightedRow>(weightFile(home, arm));
    const keys = rows.map(({ key }) => key);
    known ??= keys.join("\n");
    if (keys.join("\n") !== known) {
      throw new InputError("has other pairs than the first arm", weightFile(home, arm), "remove it and export again");
    }
    held ??= drawHeld(keys, settings);
    const trained = rows.filter(({ key }) => !held!.has(key));
    if (trained.length === 0) {
      throw new InputError("no pair is left to train on", weightFile(home, arm), "ask more --prompts");
    }
    await writeLines(trainedPairsFile(home, arm), trained);
    if (arm === settings.arms[0]) await writeLines(heldPairsFile(home), rows.filter(({ key }) => held!.has(key)));
  }
}
