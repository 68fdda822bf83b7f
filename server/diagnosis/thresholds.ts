/**
 * Every number that the classifier compares with. docs/diagnosis.md says where each comes from; a test shows what each
 * does. A changed number changes the classifier's version, and with it what is diagnosed again.
 */
import { createHash } from "node:crypto";

export const THRESHOLDS = {
  /** M-IA: nameable tokens hold at least this share of the positive relevance. The readers' rule. */
  namedShare: 0.5,
  /** M-IA: at most so many tokens hold half of the positive relevance; more is spread without a centre. */
  centreTokens: 8,
  /** NC-IA+M-AG: what other tokens hand to the last one from middle layers, as a share of |delta|, at least. */
  transferMass: 0.2,
  /** NC-IA+M-AG: nameable tokens' share of that, at least. */
  transferNamed: 1 / 3,
  /** URT: relevant tokens speak against the target with at least this much of the positive relevance; less is silence. */
  relevantAgainst: 0.1,
  /** URT: or they speak for it, with at least this share of the positive relevance. */
  relevantFor: 0.5,
  /** OIT: irrelevant tokens hold more than this share of the positive relevance. The readers' rule. */
  irrelevantFor: 0.5,
  /** A probe confirms a claim when delta falls by at least this share of |delta| ... */
  confirmed: 0.05,
  /** ... and refutes it, so that it is dropped, when delta rises by at least this share. */
  refuted: 0.25,
  /** Attention weights before normalisation are divided or multiplied by this in a probe. */
  probeFactor: 10,
  /** Tokens that a probe changes: the strongest of the claim, until this share of its relevance ... */
  probeShare: 0.85,
  /** ... and at most so many. */
  probeTokens: 10,
  /** A distance from a threshold, as a share of it, that makes a decision certain. */
  certainDistance: 0.5,
  /** What confidence is multiplied by for a claim that no probe confirms. */
  unconfirmed: 0.5,
} as const;
export type Thresholds = { readonly [name in keyof typeof THRESHOLDS]: number };

/** Of the rules in classify.ts and measures.ts; raised when they change. */
const RULES = 1;

/** Names the rules and the thresholds that a diagnosis was made with. */
export function versionOf(thresholds: Thresholds = THRESHOLDS): string {
  const hash = createHash("sha256").update(JSON.stringify(thresholds)).digest("hex");
  return `${RULES}-${hash.slice(0, 8)}`;
}
