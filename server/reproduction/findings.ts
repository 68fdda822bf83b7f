/** The paper's findings (arXiv 2604.17761), each asked of these models' numbers by a rule that was fixed beforehand. */
import type { MaskingDifference, ReproductionNumbers, SeriesNumbers } from "./numbers.ts";

export type Verdict = "holds" | "does not hold" | "undecided";

export interface Finding {
  readonly claim: string;
  /** What the paper reports. */
  readonly paper: string;
  /** How it is decided here. */
  readonly rule: string;
  readonly here: string;
  readonly verdict: Verdict;
}

const percent = (part: number, whole: number): string => whole === 0 ? "–" : `${(100 * part / whole).toFixed(1)} %`;
const two = (value: number): string => value.toFixed(2).replace("-", "−");

export function findingsOf(numbers: ReproductionNumbers): Finding[] {
  const [scaling, training] = ["scaling", "training"].map((kind) => numbers.series.find((one) => one.kind === kind));
  return [
    cleanRate(numbers),
    visible(numbers),
    patterns(numbers),
    sink(numbers),
    ...["cplrp", "gradient"].map((other) => masking(numbers, other, "fewer")),
    ...["random", "lowest"].map((other) => masking(numbers, other, "control")),
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

function cleanRate({ failures }: ReproductionNumbers): Finding {
  const rates = failures.map(({ clean, failures: all }) => clean / all);
  return {
    claim: "A minority of the failures are clean: a contrast recovers, and delta > 1.",
    paper: "17.0 to 40.7 % by benchmark",
    rule: "the clean rate of every benchmark is below one half",
    here: failures.map(({ benchmark, clean, failures: all }) => `${benchmark} ${percent(clean, all)}`).join(", "),
    verdict: rates.length === 0 ? "undecided" : rates.every((rate) => rate < 0.5) ? "holds" : "does not hold",
  };
}

function visible({ diagnoses }: ReproductionNumbers): Finding {
  const benchmarks = [...new Set(diagnoses.map(({ benchmark }) => benchmark))];
  const shares = benchmarks.map((name) => {
    const own = diagnoses.filter(({ benchmark }) => benchmark === name);
    const sum = (outcome: string) =>
      own.filter((row) => row.outcome === outcome).reduce((all, row) => all + row.count, 0);
    return {
      name,
      seen: sum("m_ia"),
      all: own.reduce((all, row) => all + row.count, 0),
      most: Math.max(sum("nc_ia_m_ag"), sum("nc_ia_ag")),
    };
  });
  return {
    claim: "Most clean failures are explained by the heatmap of the input (M-IA).",
    paper: "40.5 to 86.3 % by benchmark, the most frequent outcome of each",
    rule: "M-IA is the most frequent outcome of every benchmark",
    here: shares.map(({ name, seen, all }) => `${name} ${percent(seen, all)} of ${all}`).join(", "),
    verdict: shares.length === 0
      ? "undecided"
      : shares.every(({ seen, most }) => seen > most)
      ? "holds"
      : "does not hold",
  };
}

function patterns({ diagnoses }: ReproductionNumbers): Finding {
  const sum = (pattern: string) =>
    diagnoses.filter((row) => row.pattern === pattern).reduce((all, row) => all + row.count, 0);
  const [urt, oit, both] = [sum("urt"), sum("oit"), sum("urt_oit")];
  return {
    claim:
      "Relevant tokens that are underweighted (URT) are more frequent than irrelevant ones that are overweighted (OIT).",
    paper: "URT alone 53.5 to 80 %, OIT alone 4.5 to 14 %",
    rule: "over all benchmarks URT alone is more frequent than OIT alone",
    here: `URT ${urt}, OIT ${oit}, both ${both}`,
    verdict: urt + oit === 0 ? "undecided" : urt > oit ? "holds" : "does not hold",
  };
}

function sink({ sink: layers }: ReproductionNumbers): Finding {
  const least = Math.min(...layers.map(({ share }) => share));
  return {
    claim: "Relevance of Qwen3 is skewed toward the first token, an attention sink (finding 2).",
    paper: "named for Qwen3; no number is known to us",
    rule: "the first token has on average more than a tenth of |relevance| in every node layer before the last",
    here: layers.map(({ layer, share }) => `layer ${layer}: ${(100 * share).toFixed(1)} %`).join(", "),
    verdict: layers.length === 0
      ? "undecided"
      : layers.slice(0, -1).every(({ share }) => share > 0.1)
      ? "holds"
      : least >= 0
      ? "does not hold"
      : "undecided",
  };
}

const side = ({ difference: { low, high } }: MaskingDifference): number => low > 0 ? 1 : high < 0 ? -1 : 0;

function masking({ maskingDifferences }: ReproductionNumbers, second: string, kind: "fewer" | "control"): Finding {
  const own = maskingDifferences.filter((one) => one.second === second);
  const sides = own.map(side);
  return {
    claim: kind === "fewer"
      ? `Masking by AttnLRP flips the prediction with fewer tokens than by ${
        second === "cplrp" ? "CP-LRP" : "gradient × input"
      }.`
      : `Masking by AttnLRP flips the prediction with fewer tokens than ${
        second === "random" ? "at random" : "from its lowest-ranked on"
      }.`,
    paper: kind === "fewer"
      ? (second === "cplrp" ? "1.7 against 2.0 tokens" : "1.7 against 3.7 tokens")
      : "no control is known to us",
    rule:
      "the 95 % interval of the difference of areas, paired by case, lies above zero under every replacement; below zero under one: it does not hold",
    here: own.map(({ replacement, difference: { value, low, high, count } }) =>
      `${replacement} ${two(value)} [${two(low)}, ${two(high)}], n = ${count}`
    ).join("; "),
    verdict: own.length === 0
      ? "undecided"
      : sides.every((each) => each > 0)
      ? "holds"
      : sides.some((each) => each < 0)
      ? "does not hold"
      : "undecided",
  };
}

function falls({ summary, cases }: SeriesNumbers, claim: string, paper: string): Finding {
  const deltas = summary.members.flatMap(({ label, delta }) => delta === null ? [] : [{ label, delta }]);
  const [first, last] = [deltas[0], deltas.at(-1)];
  return {
    claim,
    paper,
    rule: "the intervals of the first and the last member's mean delta do not overlap, and the last lies lower",
    here: `failures of ${cases}, n = ${summary.all}: ` +
      deltas.map(({ label, delta }) => `${label} ${two(delta.value)}`).join(", "),
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
    verdict: both === 0 ? "undecided" : counts.corrected > 0 && counts.not_corrected > 0 ? "holds" : "does not hold",
  };
}
