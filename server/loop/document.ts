/** The document of a run: every number in it stands in its numbers.json. */
import type { Interval } from "../base/statistics/bootstrap.ts";
import { fixed, share, span, table } from "../paper/markdown.ts";
import type { Accuracies, AccuracyRow, Measure } from "./answers.ts";
import type { LoopNumbers } from "./numbers.ts";

/** Below these a run shows that the machinery works, and nothing about training. */
export const LEAST = { pairs: 50, prompts: 100, seeds: 3 } as const;

/** Whether a run is too small to say anything. */
export function isShakedown({ weights, accuracies, settings }: LoopNumbers): boolean {
  return (weights[0]?.pairs ?? 0) < LEAST.pairs || (accuracies?.prompts ?? 0) < LEAST.prompts ||
    settings.seeds < LEAST.seeds;
}

export function loopDocument(numbers: LoopNumbers): string {
  return [
    introduction(numbers),
    pairsPart(numbers),
    trainingPart(numbers),
    accuracyPart(numbers),
    lengthPart(numbers),
    seriesPart(numbers),
    conditions(numbers),
  ].join("\n\n") + "\n";
}

function introduction(numbers: LoopNumbers): string {
  const { model, held, settings } = numbers;
  const small = isShakedown(numbers)
    ? `\n\n**A shakedown, no result**: a run of fewer than ${LEAST.pairs} pairs, ${LEAST.prompts} held-out prompts or ${LEAST.seeds} seeds
shows that all parts work together, and says nothing about training.`
    : "";
  return `# The loop closed

Written by \`npm run loop\`; do not edit. \`${model}\` is asked prompts made in IFEval's form ([training-loop.md](training-loop.md)),
its failures become preference pairs with token weights, adapters are trained on them under equal budgets, and each is asked
prompts of \`${held}\` that nobody trained on. Seed ${settings.seed}; intervals 95 %, by bootstrap over prompts or pairs: they say nothing of
other training seeds, which are listed one by one.${small}`;
}

function pairsPart({ pairs, settings, weights, heldPairs }: LoopNumbers): string {
  const { answers, failures, searched, pairs: found } = pairs;
  const rows = weights.map(({ arm, pairs: count, flat }) => [arm, String(count), String(flat)]);
  return `## Pairs

${answers} of at most ${settings.prompts} training prompts were answered, greedily, in ${settings.maxTokens} tokens at most: ${failures} failures
(${
    share(failures, answers)
  }), ${searched} of them searched (${settings.alternatives} alternatives at the first ${settings.positions} positions), ${found} with a token
pair. ${heldPairs} pairs are held out: they are measured and not trained on.

${rows.length === 0 ? "*No pair has weights.*" : table(["arm", "pairs", "all weights equal"], rows)}`;
}

function trainingPart({ settings, runs, heldDeltas }: LoopNumbers): string {
  const { steps, trainBatch, rate, beta, lora } = settings;
  const rows = runs.map(({ arm, seed, result: { loss, delta } }) => [
    arm,
    String(seed),
    fixed(loss.first, 3),
    fixed(loss.last, 3),
    fixed(delta.before),
    fixed(delta.after),
  ]);
  const held = heldDeltas.map(({ arm, seeds, before, after, change }) => [
    arm,
    String(seeds),
    span(before),
    span(after),
    span(change),
    String(change.count),
  ]);
  return `## Training

Every run: ${steps} steps of ${trainBatch} pairs, learning rate ${rate}, beta ${beta}, an adapter of rank ${lora} on all linear layers, float32.
Delta: the wrong token's logit less the right one's where the answers part, mean over pairs. \`plain\` and \`uniform\` are the
same computation: where they differ, runs are not repeated to the last bit.

${
    rows.length === 0
      ? "*No run is trained.*"
      : table(["arm", "seed", "loss, first 5 steps", "loss, last 5", "delta before", "delta after"], rows)
  }

### Held-out pairs

${
    held.length === 0
      ? "*No pair is held out.*"
      : table(["arm", "seeds", "delta before [95 %]", "delta after [95 %]", "change [95 %]", "pairs"], held)
  }`;
}

const percent = (of: Interval): string =>
  `${fixed(100 * of.value, 1)} [${fixed(100 * of.low, 1)}, ${fixed(100 * of.high, 1)}]`;

const nameOf = ({ arm }: AccuracyRow): string => arm ?? "before training";

function accuracyPart({ accuracies, held }: LoopNumbers): string {
  const head = `## Held-out prompts

Prompts of \`${held}\`, greedily. Over instructions: followed of all instructions; over prompts: all of a prompt's followed.
Loose: also without first line, last line or stars ([checkers.md](checkers.md)). An arm's value is the mean over its seeds.`;
  if (accuracies === null) return `${head}\n\n*No prompt was answered by all.*`;
  const { rows, prompts, instructions } = accuracies;
  const columns = ["strict", "loose", "promptStrict", "promptLoose"] as const;
  return `${head} ${prompts} prompts with ${instructions} instructions.

${
    table(
      [
        "arm",
        "instructions, strict, %",
        "instructions, loose, %",
        "prompts, strict, %",
        "prompts, loose, %",
        "by seed",
      ],
      rows.map((row) => [
        nameOf(row),
        ...columns.map((measure) => percent(row.measures[measure])),
        row.bySeed.map((value) => fixed(100 * value, 1)).join(", ") || "–",
      ]),
    )
  }

${differences(rows, columns)}`;
}

function differences(rows: Accuracies["rows"], columns: readonly Measure[]): string {
  const cells = rows.flatMap((row) =>
    ([["before training", row.lessBase], ["plain", row.lessPlain]] as const).flatMap(([less, measures]) =>
      measures === null ? [] : [[nameOf(row), less, ...columns.map((measure) => percent(measures[measure]))]]
    )
  );
  if (cells.length === 0) return "*No trained model answered.*";
  return `Paired by prompt, in percentage points:

${
    table(
      ["arm", "less", "instructions, strict", "instructions, loose", "prompts, strict", "prompts, loose"],
      cells,
    )
  }`;
}

function lengthPart({ accuracies }: LoopNumbers): string {
  const rows = (accuracies?.rows ?? []).map((row) => [
    nameOf(row),
    span(row.measures.tokens),
    row.lessBase === null ? "–" : span(row.lessBase.tokens),
  ]);
  return `### Length of answers

${rows.length === 0 ? "*No answers.*" : table(["arm", "tokens [95 %]", "less before training [95 %]"], rows)}`;
}

function seriesPart({ series, training, figures, folder }: LoopNumbers): string {
  const head = "## How attribution moves";
  if (series === null) return `${head}\n\n*No checkpoints were attributed.*`;
  const { run, summary: { members, pairs, x, y, counts, both } } = series;
  const picture = (name: string, text: string) => figures.includes(name) ? `![${text}](${folder}/${name})` : "";
  const rows = members.map(({ label, attributed, delta, failing, segments: [all] }) => [
    label,
    String(attributed),
    span(delta),
    failing === null ? "–" : `${fixed(100 * failing, 0)} %`,
    ...(["instruction", "query", "answer"] as const).map((name) => fixed(all?.means?.[name] ?? null)),
  ]);
  return `${head}

The checkpoints of the run that follows most instructions (${run.arm}, seed ${run.seed}) as a training series ([studies.md](studies.md)), over
${pairs} clean pairs of \`${training}\`, most of which it was trained on. Segments: mean sums of normalised relevance.

${table(["member", "pairs", "mean delta [95 %]", "delta > 1", "instruction", "query", "answer"], rows)}

${x} against ${y}, ${both} pairs: ${counts.corrected} corrected, ${counts.not_corrected} not corrected, ${counts.undecided} undecided.

${picture("scatter.svg", "Figure 6: delta before and after")}

${picture("segments.svg", "Figure 7: relevance by segment")}

${picture("members.svg", "Mean delta by checkpoint")}`;
}

function conditions({ timed, adapter, cores, modelHash, folder, format }: LoopNumbers): string {
  const total = timed.reduce((sum, { seconds }) => sum + seconds, 0);
  return `## How it was computed

On ${cores} cores, adapter ${adapter}, in resumable pieces: ${
    (total / 3600).toFixed(2)
  } hours of wall time, other work on the machine
included. Model hash \`${modelHash.slice(0, 16)}\`. The numbers are in [${folder}/numbers.json](${folder}/numbers.json).

${table(["part", "seconds"], timed.map(({ part, seconds }) => [part, seconds.toFixed(0)]))}

Format ${format}.`;
}
