/** docs/reproduction.md from the numbers: tables, figures by reference, findings. */
import { fixed, span, table } from "../paper/markdown.ts";
import {
  figureOne,
  figureThree,
  figureTwo,
  findingsPart,
  maskingPart,
  type PaperFigures,
  picture,
  tableOne,
} from "../paper/sections.ts";
import type { Timed } from "../paper/verbs.ts";
import { findingsOf } from "./findings.ts";
import type { ReproductionNumbers, SeriesNumbers } from "./numbers.ts";

/** All that the document is written from; docs/reproduction/numbers.json holds it. */
export interface DocumentParts extends Omit<PaperFigures, "folder"> {
  readonly numbers: ReproductionNumbers;
  readonly timed: readonly Timed[];
  readonly adapter: string;
  readonly cores: number;
}

export function reproductionDocument(parts: DocumentParts): string {
  const { numbers } = parts;
  const figures = { ...parts, folder: "reproduction" };
  return [
    introduction(parts),
    findingsPart(findingsOf(numbers), "on these models"),
    tableOne(numbers),
    figureOne(numbers),
    figureTwo(figures),
    figureThree(figures, numbers),
    ...numbers.series.map((one) => seriesPart(one, figures)),
    maskingPart(figures, numbers, numbers.study),
    conditions(parts),
  ].join("\n\n") + "\n";
}

function introduction({ numbers: { study } }: DocumentParts): string {
  const items = Object.entries(study.items).map(([name, count]) => `${count} of ${name}`).join(", ");
  return `# The paper in miniature

Written by \`npm run reproduce\`; do not edit. The tables and figures of "Contrastive Attribution in the Wild"
(arXiv 2604.17761) on the demo models of this project, whose failures, tasks and training are described in
[models/README.md](../models/README.md). The models are a thousand times smaller than the paper's and their tasks are made
up, so agreement says that the method and this software work together, and disagreement does not refute the paper.

\`${study.model}\` answers the first items of each held-out benchmark (${items}), greedily, thinking off, at most ${study.maxTokens} new
tokens. Token pairs are searched by the strict recovery criterion ([token-pairs.md](token-pairs.md)). The first
${study.pairsEach} clean pairs of each benchmark have graphs, automatic diagnoses ([diagnosis.md](diagnosis.md)) and masking
experiments ([masking.md](masking.md)). Rule AttnLRP; intervals 95 %, bootstrap over cases, seed ${study.seed}.`;
}

function seriesPart({ series, kind, cases, summary }: SeriesNumbers, parts: PaperFigures): string {
  const { x, y, pairs, both, all, counts, members } = summary;
  const title = kind === "scaling" ? "Figures 4 to 6, sizes" : "Figures 4 to 7, checkpoints";
  const name = (figure: string) => `${series}-${figure}.svg`;
  const rows = members.map(({ label, delta, failing, segments }) => {
    const means = segments.find(({ verdict }) => verdict === null)?.means;
    return [
      label,
      span(delta),
      failing === null ? "–" : `${(100 * failing).toFixed(0)} %`,
      ...(["instruction", "query", "answer"] as const).map((segment) => fixed(means?.[segment] ?? null)),
    ];
  });
  return `## ${title}: ${series}

The ${pairs} clean pairs of \`${cases}\` on every member. They were chosen because \`${cases}\` fails there with delta > 1, so its
own mean is above 1 by construction; what the other members prefer there is not. ${x} against ${y}, ${both} pairs:
${counts.corrected} corrected, ${counts.not_corrected} not corrected, ${counts.undecided} undecided. Means are over the ${all}
pairs that every member has.

${picture(parts, name("scatter"), `Delta on ${x} and ${y}`)}

${picture(parts, name("segments"), "Relevance by segment, corrected or not")}

${picture(parts, name("members"), "Mean delta by member")}

${table(["member", "mean delta [95 %]", "delta > 1", "instruction", "query", "answer"], rows)}`;
}

function conditions({ timed, adapter, cores, numbers }: DocumentParts): string {
  const total = timed.reduce((sum, { seconds }) => sum + seconds, 0);
  return `## How it was computed

\`npm run reproduce\` on ${cores} cores, adapter ${adapter}: ${(total / 60).toFixed(1)} minutes${
    timed.length === 0 ? " (all was stored already)" : ""
  }. The numbers are in [reproduction/numbers.json](reproduction/numbers.json);
\`npm run reproduce -- --check\` computes them again and compares: counts and verdicts may differ by ${TOLERANCE.counts} cases or
${
    100 * TOLERANCE.share
  } % of them, means by ${TOLERANCE.mean}, since adapters add in another order and a near tie may fall the other way.

${table(["part", "seconds"], timed.map(({ part, seconds }) => [part, seconds.toFixed(0)]))}

Format ${numbers.format}.`;
}

/** How far two runs may lie apart. */
export const TOLERANCE = { counts: 2, share: 0.02, mean: 0.15 } as const;
