/** What the classifier measures of one attributed case: pure functions of relevance, segments and graph. */
import type { MeasuredGraph } from "../graphs/graph.ts";
import { transferToLast } from "../graphs/transfer.ts";

/** A failure with its attribution graph, as much of it as the classifier sees. */
export interface DiagnosisCase {
  /** Text of each input token, [tokens]. */
  readonly texts: readonly string[];
  /** One letter a token: S special, I instruction, Q query, A answer. */
  readonly segments: string;
  /** Tokens that a right answer has to use here, [tokens]; null when nobody marked any. Never special ones. */
  readonly relevant: readonly boolean[] | null;
  readonly targetText: string;
  readonly delta: number;
  /** Of node layer 0 to the last; layer 0 holds the embeddings. */
  readonly graph: MeasuredGraph;
}

/** Shares are of the sum of positive relevance at the embeddings outside special tokens. */
export interface Measures {
  /** Sums of normalised relevance by segment, special tokens apart. */
  readonly instructionSum: number;
  readonly querySum: number;
  readonly answerSum: number;
  /** Positive relevance on nameable tokens. */
  readonly namedShare: number;
  /** Fewest tokens that hold half of the positive relevance. */
  readonly centreTokens: number;
  /** Of the three strongest tokens. */
  readonly topThree: number;
  /** Entropy of the positive relevance in nats: 0 = all on one token. */
  readonly entropy: number;
  /** Share of |relevance| on special tokens, of all |relevance|. */
  readonly specialShare: number;
  /** Sum of |edge| into the last token from other tokens in middle layers, as a share of |delta|. */
  readonly transferMass: number;
  /** Nameable tokens' share of the transfer, by token; 0 where nothing is handed over. */
  readonly transferNamed: number;
  /** Positive and negative relevance of the relevant tokens; null where nobody marked any. */
  readonly relevantFor: number | null;
  readonly relevantAgainst: number | null;
  /** Positive relevance of all others. */
  readonly irrelevantFor: number | null;
}

const sum = (values: Iterable<number>): number => {
  let total = 0;
  for (const value of values) total += value;
  return total;
};

/** Relevance of the inputs in logits, [tokens]. */
export function inputRelevance({ graph }: DiagnosisCase): readonly number[] {
  return Array.from(graph.nodeRelevance.subarray(0, graph.inputIds.length));
}

/**
 * Whether a person would name the token as a cause: it has a letter or digit, and is neither special nor the last one,
 * which every prediction passes through.
 */
export function isNameable({ texts, segments }: Pick<DiagnosisCase, "texts" | "segments">, position: number): boolean {
  return position < texts.length - 1 && segments[position] !== "S" && /[\p{L}\p{N}]/u.test(texts[position] ?? "");
}

/** What tokens hand to the last one from middle layers: the embeddings' own edges left out, [tokens], in logits. */
export function middleTransfer({ graph }: DiagnosisCase): readonly number[] {
  const { cumulative } = transferToLast(graph);
  const [first, last] = [cumulative[0], cumulative.at(-1)];
  return graph.inputIds.map((_, token) => (last?.[token] ?? 0) - (first?.[token] ?? 0));
}

/** Measures a case. Throws RangeError when texts, segments and graph are not of one length. */
export function measure(one: DiagnosisCase): Measures {
  const { texts, segments, relevant, delta } = one;
  const relevance = inputRelevance(one);
  if (texts.length !== relevance.length || segments.length !== relevance.length) {
    throw new RangeError("texts, segments and relevance differ in length");
  }
  const positions = [...relevance.keys()].filter((position) => segments[position] !== "S");
  const scale = Math.max(0, ...positions.map((position) => Math.abs(relevance[position]!))) || 1;
  const positive = sum(positions.map((position) => Math.max(0, relevance[position]!)));
  const part = (keep: (position: number) => boolean, sign: 1 | -1) =>
    positive > 0
      ? sum(positions.filter(keep).map((position) => Math.max(0, sign * relevance[position]!))) / positive
      : 0;
  const ofSegment = (letter: string) =>
    sum(positions.filter((position) => segments[position] === letter).map((position) => relevance[position]!)) / scale;
  const shares = positions.map((position) => part((other) => other === position, 1)).sort((a, b) => b - a);
  const size = sum(relevance.map(Math.abs));
  const transfer = middleTransfer(one).map(Math.abs);
  const handed = sum(transfer);
  const isRelevant = (position: number) => relevant?.[position] === true;
  return {
    instructionSum: ofSegment("I"),
    querySum: ofSegment("Q"),
    answerSum: ofSegment("A"),
    namedShare: part((position) => isNameable(one, position), 1),
    centreTokens: tokensToHalf(shares),
    topThree: sum(shares.slice(0, 3)),
    entropy: sum(shares.map((share) => share > 0 ? -share * Math.log(share) : 0)),
    specialShare: size > 0
      ? sum(relevance.map((value, position) => segments[position] === "S" ? Math.abs(value) : 0)) / size
      : 0,
    transferMass: handed / (Math.abs(delta) || 1),
    transferNamed: handed > 0
      ? sum(transfer.map((value, position) => isNameable(one, position) ? value : 0)) / handed
      : 0,
    relevantFor: relevant && part(isRelevant, 1),
    relevantAgainst: relevant && part(isRelevant, -1),
    irrelevantFor: relevant && part((position) => !isRelevant(position), 1),
  };
}

/** How many of the largest shares make half of their sum. */
function tokensToHalf(shares: readonly number[]): number {
  const half = sum(shares) / 2;
  let held = 0;
  const at = shares.findIndex((share) => (held += share) >= half);
  return at + 1;
}
