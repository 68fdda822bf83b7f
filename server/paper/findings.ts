/** The paper's findings (arXiv 2604.17761) on one model, each asked of its numbers by a rule that was fixed beforehand. */
import type { MaskingDifference, PaperNumbers } from "./numbers.ts";
import { fixed, share } from "./markdown.ts";

export type Verdict = "holds" | "does not hold" | "undecided";

export interface Finding {
  readonly claim: string;
  /** What the paper reports. */
  readonly paper: string;
  /** How it is decided here. */
  readonly rule: string;
  readonly here: string;
  /** Cases that it was decided on. */
  readonly cases: number;
  readonly verdict: Verdict;
}

/** Of the failures of one model; those of series come after them. */
export function paperFindings(numbers: PaperNumbers): Finding[] {
  return [
    cleanRate(numbers),
    visible(numbers),
    patterns(numbers),
    sink(numbers),
    ...["cplrp", "gradient"].map((other) => masking(numbers, other, "fewer")),
    ...["random", "lowest"].map((other) => masking(numbers, other, "control")),
  ];
}

function cleanRate({ failures }: PaperNumbers): Finding {
  const rates = failures.map(({ clean, failures: all }) => clean / all);
  return {
    claim: "A minority of the failures are clean: a contrast recovers, and delta > 1.",
    paper: "17.0 to 40.7 % by benchmark",
    rule: "the clean rate of every benchmark is below one half",
    here: failures.map(({ benchmark, clean, failures: all }) => `${benchmark} ${share(clean, all)}`).join(", "),
    cases: failures.reduce((sum, row) => sum + row.failures, 0),
    verdict: rates.length === 0 ? "undecided" : rates.every((rate) => rate < 0.5) ? "holds" : "does not hold",
  };
}

function visible({ diagnoses }: PaperNumbers): Finding {
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
    here: shares.map(({ name, seen, all }) => `${name} ${share(seen, all)} of ${all}`).join(", "),
    cases: shares.reduce((sum, { all }) => sum + all, 0),
    verdict: shares.length === 0
      ? "undecided"
      : shares.every(({ seen, most }) => seen > most)
      ? "holds"
      : "does not hold",
  };
}

function patterns({ diagnoses }: PaperNumbers): Finding {
  const sum = (pattern: string) =>
    diagnoses.filter((row) => row.pattern === pattern).reduce((all, row) => all + row.count, 0);
  const [urt, oit, both] = [sum("urt"), sum("oit"), sum("urt_oit")];
  return {
    claim:
      "Relevant tokens that are underweighted (URT) are more frequent than irrelevant ones that are overweighted (OIT).",
    paper: "URT alone 53.5 to 80 %, OIT alone 4.5 to 14 %",
    rule: "over all benchmarks URT alone is more frequent than OIT alone",
    here: `URT ${urt}, OIT ${oit}, both ${both}`,
    cases: urt + oit + both,
    verdict: urt + oit === 0 ? "undecided" : urt > oit ? "holds" : "does not hold",
  };
}

function sink({ sink: layers }: PaperNumbers): Finding {
  const least = Math.min(...layers.map(({ share }) => share));
  return {
    claim: "Relevance of Qwen3 is skewed toward the first token, an attention sink (finding 2).",
    paper: "named for Qwen3; no number is known to us",
    rule: "the first token has on average more than a tenth of |relevance| in every node layer before the last",
    here: layers.map(({ layer, share }) => `layer ${layer}: ${(100 * share).toFixed(1)} %`).join(", "),
    cases: layers[0]?.graphs ?? 0,
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

function masking({ maskingDifferences }: PaperNumbers, second: string, kind: "fewer" | "control"): Finding {
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
      `${replacement} ${fixed(value)} [${fixed(low)}, ${fixed(high)}], n = ${count}`
    ).join("; "),
    cases: Math.min(...own.map(({ difference }) => difference.count)),
    verdict: own.length === 0
      ? "undecided"
      : sides.every((each) => each > 0)
      ? "holds"
      : sides.some((each) => each < 0)
      ? "does not hold"
      : "undecided",
  };
}
