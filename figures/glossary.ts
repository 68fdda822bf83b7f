/** Every term of art, once: what the page says when one points at it, and what docs/glossary.md is made of. */

export interface Entry {
  /** As it stands in lists, on buttons and in sentences. */
  readonly name: string;
  /** What it is, in a sentence or a few. */
  readonly meaning: string;
  /** The same within a sentence, in a few words; of what a list shows by its meaning. */
  readonly short?: string;
  /** The page of the documentation that says more. */
  readonly page?: string;
}

const THE_FAILURE = {
  "failure-case": {
    name: "Failure case",
    meaning: "A prompt and a model's answer to it that is wrong, kept up to the wrong token: what is explained here.",
    page: "import.md",
  },
  benchmark: {
    name: "Benchmark",
    meaning: "The set of prompts that a case comes from, and the rules by which its answers are judged.",
    page: "import.md",
  },
  checker: {
    name: "Checker",
    meaning: "A program that judges an answer by the benchmark's rules: passed, failed, or nobody could decide.",
    page: "checkers.md",
  },
  token: {
    name: "Token",
    meaning:
      "A piece of text that the model reads or writes at once: a word, part of one, a comma, or a sign of the chat's " +
      "form.",
  },
  target: {
    name: "Wrong token",
    meaning:
      "The first token by which the answer left the right way. The model itself preferred it. Called target by the " +
      "API and in papers.",
    page: "token-pairs.md",
  },
  contrast: {
    name: "Right token",
    meaning:
      "What the model should have written in the place of the wrong token: the best-ranked alternative from which it " +
      "still answers right. Called contrast by the API and in papers.",
    page: "token-pairs.md",
  },
  "token-pair": {
    name: "Token pair",
    meaning: "The wrong and the right token at one place of an answer. An explanation is always of a pair.",
    page: "token-pairs.md",
  },
  candidate: {
    name: "Candidate",
    meaning:
      "A token that could have stood at the place of the error, by rank; with what the model writes when it is forced, " +
      "and what the checker says of that.",
    page: "token-pairs.md",
  },
  recovery: {
    name: "Recovery",
    meaning: "An alternative recovers when the model, made to write it, goes on to an answer that passes the checker.",
    page: "token-pairs.md",
  },
  logit: {
    name: "Logit",
    meaning:
      "The score that the model gives to a token as the next one. The one with the largest is written; differences of " +
      "logits are differences of log probabilities.",
    page: "method.md",
  },
  delta: {
    name: "Delta",
    meaning:
      "Logit of the wrong token minus logit of the right one: how much the model preferred the mistake. It is what the " +
      "colours explain.",
    page: "method.md",
  },
  clean: {
    name: "Clean",
    short: "clean",
    meaning: "A case is clean when both tokens are known, the wrong one is the model's choice, and delta is above 1.",
    page: "token-pairs.md",
  },
  open: {
    name: "Open",
    short: "open",
    meaning: "A case whose token pair is not known yet: a search or a person has to find it.",
    page: "token-pairs.md",
  },
  excluded: {
    name: "Excluded",
    short: "excluded",
    meaning: "A case that counts in no statistics, with the reason why; for instance that no alternative recovers.",
    page: "token-pairs.md",
  },
} as const satisfies Readonly<Record<string, Entry>>;

const THE_HEATMAP = {
  relevance: {
    name: "Relevance",
    meaning:
      "What a token contributes to delta, in logits. Red is above zero and supports the wrong token, blue is below and " +
      "supports the right one.",
    page: "method.md",
  },
  attribution: {
    name: "Attribution",
    meaning: "The relevance of every token at every node layer, of one token pair under one rule on one model.",
    page: "method.md",
  },
  rule: {
    name: "Rule",
    meaning: "How relevance is sent back through the model. Rules can disagree, so look at two of them.",
    page: "method.md",
  },
  attnlrp: {
    name: "AttnLRP",
    meaning:
      "The rule that sends relevance through attention's weights and its values, half to each factor of a product. It " +
      "follows why the model looked somewhere; its sum is not delta.",
    page: "method.md",
  },
  cplrp: {
    name: "CP-LRP",
    meaning:
      "The rule that takes attention's weights as given and sends relevance through the values alone. It sums to delta " +
      "at every node layer, but for what biases absorb.",
    page: "method.md",
  },
  gradient: {
    name: "Gradient × input",
    meaning: "The ordinary gradient of delta times the token's vector: a baseline for the two rules.",
    page: "method.md",
  },
  raw: {
    name: "Raw",
    meaning: "Relevance in logits, as it was computed.",
  },
  normalised: {
    name: "Normalised",
    meaning: "Relevance divided by the largest of the tokens that are not special: between −1 and +1.",
  },
  "node-layer": {
    name: "Node layer",
    meaning:
      "Where in the model relevance is read: 0 at the embeddings, that is at the words themselves, then after each " +
      "block. Higher up a token's place also holds what it has read from others.",
    page: "method.md",
  },
  special: {
    name: "Special token",
    short: "special",
    meaning:
      "The first token of the text and the signs of the chat's form. They gather relevance of no meaning, so colours " +
      "and scales leave them out unless they are asked for.",
    page: "method.md",
  },
  "attention-sink": {
    name: "Attention sink",
    meaning: "The first token, which attention falls back on when it looks for nothing: much relevance of no meaning.",
    page: "method.md",
  },
  segment: {
    name: "Segment",
    meaning: "The part of the text that a token belongs to: instruction, query, answer or special.",
    page: "marks.md",
  },
  instruction: {
    name: "Instruction",
    short: "instruction",
    meaning: "The words of the prompt that state a constraint. Underlined in heatmaps.",
    page: "marks.md",
  },
  query: {
    name: "Query",
    short: "query",
    meaning: "All of the prompt that is neither an instruction nor special.",
    page: "marks.md",
  },
  answer: {
    name: "Answer",
    short: "answer",
    meaning: "What the model had written before the wrong token.",
    page: "marks.md",
  },
  unit: {
    name: "Unit",
    meaning:
      "What one colour stands for: a token, or the sum of relevance over the tokens of a word or of a sentence. Sums " +
      "leave special tokens out, as the colours do.",
    page: "page.md",
  },
  fold: {
    name: "Fold",
    meaning:
      "Of a long text the error and islands around the strongest tokens are shown. All others are folded away, with " +
      "their number and their sum of relevance.",
    page: "page.md",
  },
  absorbed: {
    name: "Absorbed by biases",
    meaning: "What the model's biases add to delta: it belongs to no token, so the sum over tokens lacks it.",
    page: "method.md",
  },
  objective: {
    name: "Objective",
    meaning: "The number that is explained: delta of a token pair, one logit, a logit against a mean, or whole texts.",
    page: "method.md",
  },
} as const satisfies Readonly<Record<string, Entry>>;

const THE_GRAPH = {
  graph: {
    name: "Attribution graph",
    meaning:
      "How relevance went from token to token and layer to layer. Each point is a token at a node layer; an edge holds " +
      "what one gave to another.",
    page: "graph-file.md",
  },
  edge: {
    name: "Edge",
    meaning: "The relevance that one token at a node layer gives to one at the next, in logits.",
    page: "graph-file.md",
  },
  head: {
    name: "Head",
    meaning: "One of the parts of an attention layer, each of which looks at other tokens by itself.",
    page: "method.md",
  },
  ov: {
    name: "OV",
    meaning: "The part of an edge that comes from what a head reads and writes: its values.",
    page: "method.md",
  },
  qk: {
    name: "QK",
    meaning: "The part of an edge that comes from where a head looks: its queries and keys.",
    page: "method.md",
  },
  mass: {
    name: "Mass",
    meaning: "The share of all edges' absolute weight that the drawn edges hold.",
    page: "graph-file.md",
  },
} as const satisfies Readonly<Record<string, Entry>>;

const THE_DIAGNOSIS = {
  diagnosis: {
    name: "Diagnosis",
    meaning:
      "Outcome and pattern of a failure by a published classifier, with its confidence. It is always automatic; what " +
      "people say stands beside it.",
    page: "diagnosis.md",
  },
  outcome: {
    name: "Outcome",
    meaning: "Where the failure shows: in the heatmap, in the graph alone, or in neither.",
    page: "diagnosis.md",
  },
  "m-ia": {
    name: "M-IA",
    short: "the heatmap explains it",
    meaning: "The heatmap explains it: a few nameable tokens hold most of what speaks for the wrong token.",
    page: "diagnosis.md",
  },
  "nc-ia-m-ag": {
    name: "NC-IA+M-AG",
    short: "only the graph explains it",
    meaning: "The heatmap does not explain it, the graph does: nameable tokens give to the last one on the way up.",
    page: "diagnosis.md",
  },
  "nc-ia-ag": {
    name: "NC-IA+AG",
    short: "neither explains it",
    meaning: "Neither the heatmap nor the graph explains it.",
    page: "diagnosis.md",
  },
  pattern: {
    name: "Pattern",
    meaning: "How an explained failure came about: what mattered weighed too little, what did not too much, or both.",
    page: "diagnosis.md",
  },
  urt: {
    name: "URT",
    short: "relevant tokens underweighted",
    meaning:
      "Relevant tokens underweighted: what a right answer has to use spoke for it too weakly, or for the mistake.",
    page: "diagnosis.md",
  },
  oit: {
    name: "OIT",
    short: "irrelevant tokens overweighted",
    meaning: "Irrelevant tokens overweighted: tokens that should not matter hold most of what speaks for the mistake.",
    page: "diagnosis.md",
  },
  "urt-oit": {
    name: "URT+OIT",
    short: "relevant tokens underweighted, irrelevant overweighted",
    meaning: "Both: relevant tokens underweighted and irrelevant ones overweighted.",
    page: "diagnosis.md",
  },
  confidence: {
    name: "Confidence",
    meaning:
      "How far the deciding number lies from the classifier's threshold, 0.5 on it and 1 far from it; halved for each " +
      "claim that no probe confirms.",
    page: "diagnosis.md",
  },
  probe: {
    name: "Probe",
    meaning: "A test of the cause: attention to tokens is weakened or strengthened, and delta has to move as claimed.",
    page: "diagnosis.md",
  },
  kappa: {
    name: "Cohen's kappa",
    meaning: "Agreement of two readers beyond chance: 1 is full agreement, 0 is what chance gives.",
    page: "labelling.md",
  },
} as const satisfies Readonly<Record<string, Entry>>;

const MASKING = {
  masking: {
    name: "Masking",
    meaning:
      "Tokens are taken away and the model is asked again: delta and its next token say whether the heatmap is right.",
    page: "masking.md",
  },
  replacement: {
    name: "Replacement",
    meaning: "What a masked token becomes: not attended to, left out, a blank, or the mean of all embeddings.",
    page: "masking.md",
  },
  ranking: {
    name: "Ranking",
    meaning: "The order in which tokens are masked, the most relevant by a rule first.",
    page: "masking.md",
  },
  control: {
    name: "Control",
    meaning: "An order that knows nothing, random or reversed: a ranking that says something flips earlier than it.",
    page: "masking.md",
  },
  flip: {
    name: "Flip",
    meaning: "After so many masked tokens the model would no longer write the wrong token.",
    page: "masking.md",
  },
  censored: {
    name: "Censored",
    meaning: "A curve without a flip within its budget of tokens: kept, and counted as later than the budget.",
    page: "masking.md",
  },
} as const satisfies Readonly<Record<string, Entry>>;

const STUDIES = {
  series: {
    name: "Series",
    meaning: "Models of one family that differ in one thing: size, checkpoint, or how their weights are quantised.",
    page: "studies.md",
  },
  member: {
    name: "Member",
    meaning: "One model of a series.",
    page: "studies.md",
  },
  study: {
    name: "Study",
    meaning: "The same token pairs attributed on every member of a series.",
    page: "studies.md",
  },
  corrected: {
    name: "Corrected",
    meaning: "Delta above 1 on the one member and below −1 on the other, which so prefers the right token clearly.",
    page: "studies.md",
  },
  "preference-weights": {
    name: "Preference weights",
    meaning: "A weight for every token of two answers, by relevance, for training that prefers the right one.",
    page: "preferences.md",
  },
  adapter: {
    name: "Adapter",
    meaning:
      "What computes: a graphics card, or a program that stands in for one. Numbers differ a little between two.",
    page: "operations.md",
  },
} as const satisfies Readonly<Record<string, Entry>>;

/** The terms by what they are about. */
export const CHAPTERS = [
  { title: "The failure", entries: THE_FAILURE },
  { title: "The heatmap", entries: THE_HEATMAP },
  { title: "The graph", entries: THE_GRAPH },
  { title: "The diagnosis", entries: THE_DIAGNOSIS },
  { title: "Masking", entries: MASKING },
  { title: "Studies, training and machines", entries: STUDIES },
] as const;

export const GLOSSARY = {
  ...THE_FAILURE,
  ...THE_HEATMAP,
  ...THE_GRAPH,
  ...THE_DIAGNOSIS,
  ...MASKING,
  ...STUDIES,
} as const;

export type Term = keyof typeof GLOSSARY;

/** What a text names as a term; undefined where it is none. */
export function entryOf(text: string | null | undefined): Entry | undefined {
  return text !== null && text !== undefined && Object.hasOwn(GLOSSARY, text) ? GLOSSARY[text as Term] : undefined;
}
