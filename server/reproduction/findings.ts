/** The paper's findings (arXiv 2604.17761), each asked of these models' numbers by a rule that was fixed beforehand. */
import { type Finding, paperFindings } from "../paper/findings.ts";
import { fixed } from "../paper/markdown.ts";
import type { ReproductionNumbers, SeriesNumbers } from "./numbers.ts";

export function findingsOf(numbers: ReproductionNumbers): Finding[] {
  const [scaling, training] = ["scaling", "training"].map((kind) => numbers.series.find((one) => one.kind === kind));
  return [
    ...paperFindings(numbers),
    ...(scaling
      ? [falls(scaling, "Larger models correct what smaller ones get wrong: mean delta falls with size.", SIZES)]
      : []),
    ...(training
      ? [falls(training, "Later checkpoints correct what earlier ones get wrong: mean delta falls.", STEPS)]
      : []),
    ...(scaling ? [corrects(scaling)] : []),
  ];
}

const SIZES = "Qwen3 0.6B, 1.7B, 4B: 1.36, −1.11, −1.89";
const STEPS = "Olmo-3-7B-Think, 12 checkpoints: 3.0 to −2.2";

function falls({ summary, cases }: SeriesNumbers, claim: string, paper: string): Finding {
  const deltas = summary.members.flatMap(({ label, delta }) => delta === null ? [] : [{ label, delta }]);
  const [first, last] = [deltas[0], deltas.at(-1)];
  return {
    claim,
    paper,
    rule: "the intervals of the first and the last member's mean delta do not overlap, and the last lies lower",
    here: `failures of ${cases}, n = ${summary.all}: ` +
      deltas.map(({ label, delta }) => `${label} ${fixed(delta.value)}`).join(", "),
    cases: summary.all,
    verdict: !first || !last || deltas.length < 2
      ? "undecided"
      : last.delta.high < first.delta.low
      ? "holds"
      : last.delta.low > first.delta.high
      ? "does not hold"
      : "undecided",
  };
}

function corrects({ summary: { x, y, counts, both } }: SeriesNumbers): Finding {
  return {
    claim: "Not all failures are corrected by size: some stay, confidently.",
    paper: "both kinds are shown (figures 4 and 5)",
    rule: "there are corrected and not corrected pairs",
    here:
      `${x} against ${y}: ${counts.corrected} corrected, ${counts.not_corrected} not corrected, ${counts.undecided} undecided of ${both}`,
    cases: both,
    verdict: both === 0 ? "undecided" : counts.corrected > 0 && counts.not_corrected > 0 ? "holds" : "does not hold",
  };
}
