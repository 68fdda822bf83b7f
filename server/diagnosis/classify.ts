/** The classifier: outcome, pattern and confidence from measures and probes. docs/diagnosis.md has the rules. */
import type { EvidenceNumber } from "../../schema/tables/analysis_values.ts";
import type { diagnoses } from "../../schema/tables/analysis_tables.ts";
import type { Claim } from "../masking/probe.ts";
import { type DiagnosisCase, inputRelevance, isNameable, measure, type Measures, middleTransfer } from "./measures.ts";
import { THRESHOLDS, type Thresholds, versionOf } from "./thresholds.ts";

type Row = typeof diagnoses.$inferSelect;
export type Outcome = Row["outcome"];
export type Pattern = NonNullable<Row["pattern"]>;

/** What a claim's probe asks: more weight on what is underweighted, less on what is overweighted. */
export interface ClaimProbe {
  readonly claim: Claim;
  /** Ascending; none where the claim rests on the last token alone, which no attention score reaches. */
  readonly positions: readonly number[];
}

/** A probe's answer. */
export interface ProbedClaim extends ClaimProbe {
  readonly before: number;
  readonly after: number;
}

export type Diagnosis = Pick<Row, "outcome" | "pattern" | "confidence" | "evidence" | "version">;

/** The outcome that the measures say. */
export function outcomeOf(measures: Measures, thresholds: Thresholds = THRESHOLDS): Outcome {
  const { namedShare, centreTokens, transferMass, transferNamed } = measures;
  if (namedShare >= thresholds.namedShare && centreTokens <= thresholds.centreTokens) return "m_ia";
  const graphExplains = transferMass >= thresholds.transferMass && transferNamed >= thresholds.transferNamed;
  return graphExplains ? "nc_ia_m_ag" : "nc_ia_ag";
}

/** The claims that the measures of an explained case make; none without marked tokens. */
export function claimsOf(
  { relevantFor, relevantAgainst, irrelevantFor }: Measures,
  thresholds: Thresholds = THRESHOLDS,
): Claim[] {
  if (relevantFor === null || relevantAgainst === null || irrelevantFor === null) return [];
  const claims: Claim[] = [];
  if (relevantAgainst >= thresholds.relevantAgainst || relevantFor >= thresholds.relevantFor) {
    claims.push("underweighted");
  }
  if (irrelevantFor > thresholds.irrelevantFor) claims.push("overweighted");
  return claims;
}

/** What to probe before `classify`: the claims of an explained case, each with its strongest tokens. */
export function probesOf(one: DiagnosisCase, thresholds: Thresholds = THRESHOLDS): ClaimProbe[] {
  const measures = measure(one);
  if (outcomeOf(measures, thresholds) === "nc_ia_ag") return [];
  return claimsOf(measures, thresholds).map((claim) => ({
    claim,
    positions: probePositions(one, claim, thresholds),
  }));
}

function probePositions(one: DiagnosisCase, claim: Claim, { probeShare, probeTokens }: Thresholds): number[] {
  const { segments, relevant } = one;
  const relevance = inputRelevance(one);
  const candidates = [...relevance.keys()].filter((position) =>
    segments[position] !== "S" && position < relevance.length - 1 &&
    (relevant?.[position] === true) === (claim === "underweighted")
  );
  const sign = claim === "overweighted" ? 1 : -1;
  const strength = (position: number) => Math.max(0, sign * relevance[position]!);
  const total = candidates.reduce((sum, position) => sum + strength(position), 0);
  const chosen: number[] = [];
  let held = 0;
  for (const position of candidates.toSorted((a, b) => strength(b) - strength(a) || a - b)) {
    if (held >= probeShare * total || chosen.length >= probeTokens || strength(position) === 0) break;
    held += strength(position);
    chosen.push(position);
  }
  return chosen.toSorted((a, b) => a - b);
}

/** Whether the probe confirms the claim, refutes it, or does neither. */
export function judge(
  { before, after }: Pick<ProbedClaim, "before" | "after">,
  { confirmed, refuted }: Thresholds = THRESHOLDS,
): "confirmed" | "refuted" | "open" {
  const change = (after - before) / (Math.abs(before) || 1);
  return -change >= confirmed ? "confirmed" : change >= refuted ? "refuted" : "open";
}

/** Diagnoses a case whose claims were probed, in the order of `probesOf`. */
export function classify(
  one: DiagnosisCase,
  probes: readonly ProbedClaim[],
  thresholds: Thresholds = THRESHOLDS,
): Diagnosis {
  const measures = measure(one);
  const outcome = outcomeOf(measures, thresholds);
  const claims = outcome === "nc_ia_ag" ? [] : claimsOf(measures, thresholds);
  const probed = new Map(probes.map((probe) => [probe.claim, probe]));
  const verdicts = new Map(claims.map((claim) => {
    const probe = probed.get(claim);
    return [claim, probe === undefined ? "open" : judge(probe, thresholds)];
  }));
  const held = claims.filter((claim) => verdicts.get(claim) !== "refuted");
  const [under, over] = [held.includes("underweighted"), held.includes("overweighted")];
  const pattern: Pattern | null = under && over ? "urt_oit" : under ? "urt" : over ? "oit" : null;
  const numbers = evidenceNumbers(measures, thresholds, outcome, claims);
  const unconfirmed = claims.filter((claim) => verdicts.get(claim) !== "confirmed").length;
  return {
    outcome,
    pattern,
    confidence: confidenceOf(measures, thresholds, outcome) * thresholds.unconfirmed ** unconfirmed,
    version: versionOf(thresholds),
    evidence: {
      summary: sentence(one, outcome, pattern, verdicts),
      relevant: one.relevant && one.relevant.flatMap((isRelevant, position) => isRelevant ? [position] : []),
      numbers,
      probes: probes.map(({ claim, positions, before, after }) => ({
        kind: claim === "overweighted" ? "weaken" : "strengthen",
        positions,
        factor: thresholds.probeFactor,
        before,
        after,
        asClaimed: judge({ before, after }, thresholds) === "confirmed",
      })),
    },
  };
}

function evidenceNumbers(
  measures: Measures,
  thresholds: Thresholds,
  outcome: Outcome,
  claims: readonly Claim[],
): EvidenceNumber[] {
  const number = (name: keyof Measures, threshold: number | null, supports: boolean): EvidenceNumber[] => {
    const value = measures[name];
    return value === null ? [] : [{ name, value, threshold, supports }];
  };
  const explained = outcome === "m_ia";
  const graph = outcome === "nc_ia_m_ag";
  const [under, over] = [claims.includes("underweighted"), claims.includes("overweighted")];
  const { namedShare, centreTokens, transferMass, transferNamed, relevantFor, relevantAgainst, irrelevantFor } =
    thresholds;
  const isNamed = measures.namedShare >= namedShare;
  const hasCentre = measures.centreTokens <= centreTokens;
  const hands = measures.transferMass >= transferMass;
  const handsNamed = measures.transferNamed >= transferNamed;
  // What was looked at for an outcome supports it when it falls on the outcome's side of the threshold.
  return [
    ...number("namedShare", namedShare, isNamed === explained),
    ...number("centreTokens", centreTokens, hasCentre === explained),
    ...number("transferMass", transferMass, !explained && hands === graph),
    ...number("transferNamed", transferNamed, !explained && handsNamed === graph),
    ...number("relevantAgainst", relevantAgainst, under && (measures.relevantAgainst ?? 0) >= relevantAgainst),
    ...number("relevantFor", relevantFor, under && (measures.relevantFor ?? 0) >= relevantFor),
    ...number("irrelevantFor", irrelevantFor, over),
    ...(["instructionSum", "querySum", "answerSum", "topThree", "entropy", "specialShare"] as const)
      .flatMap((name) => number(name, null, false)),
  ];
}

/**
 * 0.5 where the number that decided most narrowly lies on its threshold, 1 where all are far from theirs: distances
 * count as shares of the threshold.
 */
function confidenceOf(measures: Measures, thresholds: Thresholds, outcome: Outcome): number {
  const distance = (name: keyof Measures & keyof Thresholds): number => {
    const value = measures[name];
    return value === null ? Infinity : Math.abs(value - thresholds[name]) / thresholds[name];
  };
  // Of two conditions that must both hold, the failed ones decide; of two of which one suffices, the best one.
  const input = outcome === "m_ia" ? Math.min(distance("namedShare"), distance("centreTokens")) : Math.max(
    measures.namedShare < thresholds.namedShare ? distance("namedShare") : 0,
    measures.centreTokens > thresholds.centreTokens ? distance("centreTokens") : 0,
  );
  const graph = outcome === "m_ia"
    ? Infinity
    : outcome === "nc_ia_m_ag"
    ? Math.min(distance("transferMass"), distance("transferNamed"))
    : Math.max(
      measures.transferMass < thresholds.transferMass ? distance("transferMass") : 0,
      measures.transferNamed < thresholds.transferNamed ? distance("transferNamed") : 0,
    );
  const against = (measures.relevantAgainst ?? 0) >= thresholds.relevantAgainst;
  const speaksFor = (measures.relevantFor ?? 0) >= thresholds.relevantFor;
  const [one, other] = [distance("relevantAgainst"), distance("relevantFor")];
  const under = against && speaksFor ? Math.max(one, other) : against ? one : speaksFor ? other : Math.min(one, other);
  const pattern = outcome === "nc_ia_ag" ? Infinity : Math.min(under, distance("irrelevantFor"));
  return 0.5 + 0.5 * Math.min(1, Math.min(input, graph, pattern) / thresholds.certainDistance);
}

/** One sentence for people, naming tokens. */
function sentence(
  one: DiagnosisCase,
  outcome: Outcome,
  pattern: Pattern | null,
  verdicts: ReadonlyMap<Claim, string>,
): string {
  const { relevant, targetText } = one;
  const relevance = inputRelevance(one);
  const isRelevant = (position: number) => relevant?.[position] === true;
  const strongest = (values: readonly number[], keep: (position: number) => boolean) =>
    [...values.keys()].filter((position) => values[position]! > 0 && one.segments[position] !== "S" && keep(position))
      .toSorted((a, b) => values[b]! - values[a]! || a - b).slice(0, 3)
      .map((position) => JSON.stringify(one.texts[position]!.trim() || one.texts[position])).join(", ");
  const supporters = strongest(relevance, () => true);
  const first = outcome === "m_ia"
    ? `${supporters} carry the choice of ${JSON.stringify(targetText)}`
    : outcome === "nc_ia_m_ag"
    ? `the input alone does not explain ${JSON.stringify(targetText)}, but in middle layers ${
      strongest(middleTransfer(one).map(Math.abs), (position) => isNameable(one, position))
    } speak to the last token`
    : `neither the input nor the graph names what led to ${JSON.stringify(targetText)}`;
  const opponents = strongest(relevance.map((value) => -value), isRelevant);
  const under = opponents === ""
    ? "the relevant tokens speak for it too"
    : `the relevant ${opponents} speak against it too weakly`;
  const over = `the irrelevant ${strongest(relevance, (position) => !isRelevant(position))} push it`;
  const second = pattern === "urt_oit"
    ? [under, over]
    : pattern === "urt"
    ? [under]
    : pattern === "oit"
    ? [over, "the relevant tokens are silent"]
    : outcome !== "nc_ia_ag" && relevant === null
    ? ["nobody marked the relevant tokens, so there is no pattern"]
    : [];
  const refuted = [...verdicts].filter(([, verdict]) => verdict === "refuted").map(([claim]) =>
    `the probe refutes that ${claim === "overweighted" ? "irrelevant" : "relevant"} tokens are ${claim}`
  );
  const text = [first, ...second, ...refuted].join("; ");
  return `${text[0]!.toUpperCase()}${text.slice(1)}.`;
}
