/** Training runs: the example trainer of docs/examples in a Python process of its own. */
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { InputError } from "../../gpu/mod.ts";
import { ROOT } from "../base/settings.ts";
import { addTimed, type Note } from "../paper/verbs.ts";
import { adapterFolder, doneWith, heldPairsFile, keepDone, readLines, resultFile, trainedPairsFile } from "./files.ts";
import { ARMS, type LoopSettings, type TrainingRun } from "./settings.ts";

const TRAINER = join(ROOT, "docs", "examples", "weighted_dpo.py");

/** What the trainer prints. */
export interface TrainingResult {
  readonly pairs: number;
  readonly steps: number;
  readonly loss: { readonly first: number; readonly last: number };
  /** Of the pairs that were trained on: mean of the wrong token's logit less the right one's. */
  readonly delta: { readonly before: number; readonly after: number };
  /** The same difference of each held-out pair. */
  readonly held: { readonly before: readonly number[]; readonly after: readonly number[] };
}

/** What a run was made with. */
export function trainingSettings({ arm, seed }: TrainingRun, settings: LoopSettings, modelHash: string) {
  const { steps, trainBatch, rate, beta, lora, saveEvery, pairs } = settings;
  return { arm, seed, modelHash, pairs, steps, trainBatch, rate, beta, lora, saveEvery };
}

/** Trains what is not trained yet. Throws InputError without a Python, and the trainer's last words where it fails. */
export async function trainRun(
  { home, model, modelHash, settings, note }: {
    readonly home: string;
    /** Folder of the base model. */
    readonly model: string;
    readonly modelHash: string;
    readonly settings: LoopSettings;
    readonly note: Note;
  },
  run: TrainingRun,
): Promise<void> {
  const asked = trainingSettings(run, settings, modelHash);
  if (await doneWith(resultFile(home, run), asked) !== null) return;
  const python = Deno.env.get("PYTHON");
  if (python === undefined) {
    throw new InputError("is missing", "PYTHON", "give the path of a Python with torch, trl, peft and datasets");
  }
  const { steps, trainBatch, rate, beta, lora, saveEvery } = settings;
  const args = [
    ...[TRAINER, model, trainedPairsFile(home, run.arm), "--out", adapterFolder(home, run)],
    ...["--steps", `${steps}`, "--batch", `${trainBatch}`, "--rate", `${rate}`, "--beta", `${beta}`],
    ...["--lora", `${lora}`, "--save-every", `${saveEvery}`, "--seed", `${run.seed}`],
    ...((await readLines(heldPairsFile(home))).length === 0 ? [] : ["--measure", heldPairsFile(home)]),
    ...(ARMS[run.arm].plain ? ["--plain"] : []),
  ];
  await mkdir(dirname(resultFile(home, run)), { recursive: true });
  const started = performance.now();
  const { code, stdout, stderr } = await new Deno.Command(python, {
    args,
    stdout: "piped",
    stderr: "piped",
    env: { HF_HUB_OFFLINE: "1", HF_HOME: join(home, "hf") },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).trim();
  if (code !== 0) throw new Error(`training ${run.arm}, seed ${run.seed}: ${text(stderr).split("\n").at(-1)}`);
  const result = JSON.parse(text(stdout).split("\n").at(-1)!) as TrainingResult;
  await keepDone(resultFile(home, run), asked, result);
  const seconds = (performance.now() - started) / 1000;
  await addTimed(home, { part: "training", seconds });
  note(`trained ${run.arm}, seed ${run.seed}: ${seconds.toFixed(0)} s\n`);
}

/** The results of all runs that are done. */
export async function readTrained(
  home: string,
  runs: readonly TrainingRun[],
  settings: LoopSettings,
  modelHash: string,
): Promise<readonly (TrainingRun & { readonly result: TrainingResult })[]> {
  const found = [];
  for (const run of runs) {
    const result = await doneWith<TrainingResult>(
      resultFile(home, run),
      trainingSettings(run, settings, modelHash),
    );
    if (result !== null) found.push({ ...run, result });
  }
  return found;
}
