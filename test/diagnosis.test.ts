/** The classifier: what each threshold does, with a case just below and just above it; labels and their agreement. */
import { describe, expect, test } from "vitest";
import { InputError } from "../gpu/errors.ts";
import type { ScoreRequest, ScoreResult } from "../gpu/engine.ts";
import { classify, judge, outcomeOf, type ProbedClaim, probesOf } from "../server/diagnosis/classify.ts";
import { diagnose } from "../server/diagnosis/diagnose.ts";
import { compareLabels, parseLabels } from "../server/diagnosis/labels.ts";
import { type DiagnosisCase, isNameable, measure } from "../server/diagnosis/measures.ts";
import { brokenPhrases } from "../server/diagnosis/relevant_tokens.ts";
import { THRESHOLDS, versionOf } from "../server/diagnosis/thresholds.ts";

/** A token: its text, segment, whether it is relevant, its relevance, and what it hands to the last one in the middle. */
type Token = readonly [text: string, segment: string, relevant: boolean, relevance: number, handed?: number];

/** Two blocks: edges from the embeddings carry nothing that counts, those from layer 1 are `handed`. */
function caseOf(tokens: readonly Token[], delta = 1, marked = true): DiagnosisCase {
  const last = tokens.length - 1;
  const relevance = tokens.map((token) => token[3]);
  const handed = tokens.map(([, , , , value = 0], index) => ({ value, index })).filter(({ value }) => value !== 0);
  const edges = (list: typeof handed) => ({
    sources: Uint32Array.from(list, ({ index }) => index),
    targets: Uint32Array.from(list, () => last),
    weights: Float32Array.from(list, ({ value }) => value),
  });
  return {
    texts: tokens.map(([text]) => text),
    segments: tokens.map(([, segment]) => segment).join(""),
    relevant: marked ? tokens.map(([, , relevant]) => relevant) : null,
    targetText: "wrong",
    delta,
    graph: {
      inputIds: tokens.map((_, index) => index),
      nodeLayers: [0, 1, 2],
      nodeRelevance: Float32Array.from([...relevance, ...relevance, ...relevance]),
      // What the embeddings hand over is no middle layer's: it must not count.
      transitions: [
        { source: 0, target: 1, edges: edges([{ value: 9, index: 1 }]) },
        { source: 1, target: 2, edges: edges(handed) },
      ],
    },
  };
}

/** Positive relevance: `named` on a nameable irrelevant token, the rest on the last one. */
const input = (named: number, others: readonly Token[] = []) =>
  caseOf([["<s>", "S", false, 5], ["topic", "Q", false, named], ...others, ["not", "I", true, 0], [
    "\n",
    "A",
    false,
    1 - named,
  ]]);

const confirmed = (one: DiagnosisCase): ProbedClaim[] =>
  probesOf(one).map((probe) => ({ ...probe, before: one.delta, after: one.delta - 1 }));
const read = (one: DiagnosisCase) => {
  const { outcome, pattern } = classify(one, confirmed(one));
  return [outcome, pattern];
};

test("special, last and wordless tokens are not nameable, whatever they carry", () => {
  const one = caseOf([["<s>", "S", false, 1], ["a", "Q", false, 1], [",", "Q", false, 1], ["\n", "Q", false, 1], [
    "7",
    "I",
    true,
    1,
  ], [
    "é",
    "A",
    false,
    1,
  ], ["end", "A", false, 1]]);
  expect(one.texts.map((_, position) => isNameable(one, position))).toEqual([
    false,
    true,
    false,
    false,
    true,
    true,
    false,
  ]);
  expect(measure(one)).toMatchObject({ namedShare: 0.5, centreTokens: 3, relevantFor: 1 / 6, irrelevantFor: 5 / 6 });
});

test("measures are those of their formulas", () => {
  const one = caseOf([["<s>", "S", false, -4], ["a", "Q", false, 2, 3], ["b", "I", true, -1], ["c", "I", true, 1, -1], [
    "d",
    "A",
    false,
    1,
  ]], 2);
  const found = measure(one);
  expect(found).toMatchObject({ instructionSum: 0, querySum: 1, answerSum: 0.5, topThree: 1, transferMass: 2 });
  expect(found.namedShare).toBeCloseTo(0.75, 12);
  expect(found.transferNamed).toBe(1);
  expect(found.relevantFor).toBeCloseTo(0.25, 12);
  expect(found.relevantAgainst).toBeCloseTo(0.25, 12);
  expect(found.irrelevantFor).toBeCloseTo(0.75, 12);
  expect(found.specialShare).toBeCloseTo(4 / 9, 12);
  expect(found.entropy).toBeCloseTo(1.5 * Math.log(2), 12);
  expect(() => measure({ ...one, segments: "SQ" })).toThrow(RangeError);
});

describe("each threshold, a case just below and just above", () => {
  test("namedShare: less on nameable tokens, and the heatmap does not explain it", () => {
    expect(read(input(THRESHOLDS.namedShare - 0.01))).toEqual(["nc_ia_ag", null]);
    expect(read(input(THRESHOLDS.namedShare + 0.01))).toEqual(["m_ia", "oit"]);
  });

  test("centreTokens: relevance over more tokens is spread without a centre", () => {
    const spread = (count: number) =>
      caseOf([
        ...Array.from({ length: 2 * count }, (_, index): Token => [`word${index}`, "Q", false, 1]),
        ["end", "A", false, 0],
      ]);
    expect(read(spread(THRESHOLDS.centreTokens))[0]).toBe("m_ia");
    expect(read(spread(THRESHOLDS.centreTokens + 1))[0]).toBe("nc_ia_ag");
  });

  /** The heatmap names nothing; the graph hands over `named` from a word and `other` from a line break. */
  const graph = (named: number, other: number) =>
    caseOf([["topic", "Q", false, 0.1, named], ["\n", "Q", false, 0.9, other], ["end", "A", false, 0]]);

  test("transferMass: less from other tokens in middle layers, and the graph stays on the last one", () => {
    expect(read(graph(THRESHOLDS.transferMass - 0.01, 0))[0]).toBe("nc_ia_ag");
    expect(read(graph(THRESHOLDS.transferMass + 0.01, 0))).toEqual(["nc_ia_m_ag", "oit"]);
  });

  test("transferNamed: less of it from nameable tokens, and the graph names nothing", () => {
    const { transferNamed } = THRESHOLDS;
    expect(read(graph(transferNamed - 0.01, 1.01 - transferNamed))[0]).toBe("nc_ia_ag");
    expect(read(graph(transferNamed + 0.01, 0.99 - transferNamed))[0]).toBe("nc_ia_m_ag");
  });

  /** A topic for the target and relevant tokens for and against it; shares of the positive relevance. */
  const relevant = (speaksFor: number, against: number) =>
    caseOf([["topic", "Q", false, 1 - speaksFor], ["banned", "I", true, speaksFor], ["not", "I", true, -against], [
      "end",
      "A",
      false,
      0,
    ]]);

  test("relevantAgainst: relevant tokens that say less are silent", () => {
    expect(read(relevant(0, THRESHOLDS.relevantAgainst - 0.01))).toEqual(["m_ia", "oit"]);
    expect(read(relevant(0, THRESHOLDS.relevantAgainst + 0.01))).toEqual(["m_ia", "urt_oit"]);
  });

  test("relevantFor and irrelevantFor: relevant tokens that carry the target are URT, irrelevant ones OIT", () => {
    expect(THRESHOLDS.relevantFor).toBe(1 - THRESHOLDS.irrelevantFor);
    expect(read(relevant(THRESHOLDS.relevantFor + 0.01, 0))).toEqual(["m_ia", "urt"]);
    expect(read(relevant(THRESHOLDS.relevantFor - 0.01, 0))).toEqual(["m_ia", "oit"]);
    expect(read(relevant(1 - THRESHOLDS.irrelevantFor - 0.01, 0.5))).toEqual(["m_ia", "urt_oit"]);
    expect(read(relevant(1 - THRESHOLDS.irrelevantFor + 0.01, 0.5))).toEqual(["m_ia", "urt"]);
  });

  const probed = (share: number) => {
    const one = relevant(0, 0.5);
    return classify(one, probesOf(one).map((probe) => ({ ...probe, before: 4, after: 4 * (1 + share) })));
  };

  test("confirmed: a smaller fall of delta costs confidence, and changes no verdict", () => {
    const [below, above] = [probed(-THRESHOLDS.confirmed + 0.01), probed(-THRESHOLDS.confirmed - 0.01)];
    expect([below.pattern, above.pattern]).toEqual(["urt_oit", "urt_oit"]);
    expect(below.evidence.probes.map(({ asClaimed }) => asClaimed)).toEqual([false, false]);
    expect(above.evidence.probes.map(({ asClaimed }) => asClaimed)).toEqual([true, true]);
    expect(below.confidence).toBeCloseTo(above.confidence * THRESHOLDS.unconfirmed ** 2, 12);
  });

  test("refuted: a rise of delta drops the claim", () => {
    expect(probed(THRESHOLDS.refuted - 0.01).pattern).toBe("urt_oit");
    const dropped = probed(THRESHOLDS.refuted + 0.01);
    expect([dropped.outcome, dropped.pattern]).toEqual(["m_ia", null]);
    expect(dropped.evidence.summary).toMatch(
      /refutes that relevant tokens are underweighted; the probe refutes that irr/,
    );
  });

  test("probeShare and probeTokens: the strongest tokens until their share, and no more than so many", () => {
    const many = caseOf([
      ...Array.from({ length: 15 }, (_, index): Token => [`word${index}`, "Q", false, 1]),
      ["strong", "Q", false, 6],
      ["end", "A", false, 0],
    ]);
    expect(probesOf(many)).toEqual([{ claim: "overweighted", positions: [0, 1, 2, 3, 4, 5, 6, 7, 8, 15] }]);
    const few = (strong: number) =>
      probesOf(caseOf([["strong", "Q", false, strong], ["weak", "Q", false, 1 - strong], ["end", "A", false, 0]]))[0]!
        .positions;
    expect(few(THRESHOLDS.probeShare + 0.01)).toEqual([0]);
    expect(few(THRESHOLDS.probeShare - 0.01)).toEqual([0, 1]);
  });

  test("probeFactor: the weight that the model is asked about", async () => {
    const requests: ScoreRequest[] = [];
    const score = (all: readonly ScoreRequest[]): Promise<ScoreResult[]> => {
      requests.push(...all);
      return Promise.resolve(all.map(({ attentionBias = [] }) => {
        const bias = attentionBias.find(({ position }) => position === 0)?.bias ?? 0;
        const logit = { id: 1, logit: 4 };
        return {
          argmax: logit,
          target: logit,
          contrast: logit,
          logitDifference: 4 + bias,
          tokens: [],
          top: [],
          logNormaliser: 5,
        };
      }));
    };
    const [found] = await diagnose({ score }, [{ ...relevant(0, 0), target: 1, contrast: 2 }]);
    expect(found!.evidence.probes).toEqual([{
      kind: "weaken",
      positions: [0],
      factor: THRESHOLDS.probeFactor,
      before: 4,
      after: 4 - Math.log(THRESHOLDS.probeFactor),
      asClaimed: true,
    }]);
    const biases = requests.flatMap(({ attentionBias = [] }) => attentionBias.map(({ bias }) => bias));
    expect(Math.max(...biases)).toBe(Math.log(THRESHOLDS.probeFactor));
  });

  test("certainDistance: confidence is half on a threshold and whole far from all", () => {
    const at = (against: number) => classify(relevant(0, against), confirmed(relevant(0, against))).confidence;
    const { relevantAgainst, certainDistance } = THRESHOLDS;
    expect(at(relevantAgainst)).toBeCloseTo(0.5, 5);
    expect(at(relevantAgainst * (1 + certainDistance / 2))).toBeCloseTo(0.75, 5);
    expect(at(relevantAgainst * (1 + certainDistance))).toBeCloseTo(1, 5);
    expect(at(relevantAgainst * (1 - certainDistance / 2))).toBeCloseTo(0.75, 5);
  });

  test("every threshold is named here, and any change of one is another version", () => {
    expect(Object.keys(THRESHOLDS).sort()).toEqual([
      "centreTokens",
      "certainDistance",
      "confirmed",
      "irrelevantFor",
      "namedShare",
      "probeFactor",
      "probeShare",
      "probeTokens",
      "refuted",
      "relevantAgainst",
      "relevantFor",
      "transferMass",
      "transferNamed",
      "unconfirmed",
    ]);
    const versions = Object.keys(THRESHOLDS).map((name) => versionOf({ ...THRESHOLDS, [name]: 0.123 }));
    expect(new Set([versionOf(), ...versions]).size).toBe(versions.length + 1);
  });
});

test("without marked tokens there is an outcome and no pattern", () => {
  const one = { ...input(0.9), relevant: null };
  const found = classify(one, []);
  expect([found.outcome, found.pattern, found.evidence.relevant]).toEqual(["m_ia", null, null]);
  expect(found.evidence.summary).toMatch(/nobody marked/);
});

test("nothing positive explains nothing", () => {
  const one = caseOf([["a", "Q", false, -1], ["b", "I", true, 0], ["end", "A", false, 0]]);
  expect(outcomeOf(measure(one))).toBe("nc_ia_ag");
  expect(classify(one, []).evidence.numbers.every(({ value }) => Number.isFinite(value))).toBe(true);
});

test("a probe's change counts as a share of |delta|", () => {
  expect([judge({ before: 2, after: 1 }), judge({ before: 2, after: 2 }), judge({ before: 2, after: 3 })])
    .toEqual(["confirmed", "open", "refuted"]);
});

test("phrases of broken instructions are the relevant ones, all where nothing says which", () => {
  const detail = (...each: (boolean | null)[]) => ({ strict: { all: false, each } });
  expect(brokenPhrases(["one", "two"], detail(true, false))).toEqual(["two"]);
  expect(brokenPhrases(["one", "two"], detail(true, null))).toEqual(["one", "two"]);
  expect(brokenPhrases(["one", "two"], detail(false))).toEqual(["one", "two"]);
  expect(brokenPhrases(["one", "two"], undefined)).toEqual(["one", "two"]);
});

test("labels are read with their places, and agreement is kappa of each part", () => {
  const [one, two] = [
    '{"key":"a","outcome":"M-IA","pattern":"URT+OIT"}',
    '{"key":"b","outcome":"NC-IA+AG","pattern":null}',
  ];
  expect(parseLabels(`${one}\n\n${two}\n`, "x")).toEqual([
    { key: "a", outcome: "m_ia", pattern: "urt_oit", note: "" },
    { key: "b", outcome: "nc_ia_ag", pattern: null, note: "" },
  ]);
  for (
    const [text, message] of [
      ["{", /x:1: is no JSON/],
      [`${one}\n${one}`, /x:2: labels a a second time/],
      ['{"key":"a","outcome":"MIA"}', /x:1: outcome/],
    ] as const
  ) {
    expect(() => parseLabels(text, "x")).toThrow(InputError);
    expect(() => parseLabels(text, "x")).toThrow(message);
  }
  const urt = { outcome: "m_ia", pattern: "urt" } as const;
  const both = { outcome: "m_ia", pattern: "urt_oit" } as const;
  const none = { outcome: "nc_ia_ag", pattern: null } as const;
  const found = compareLabels([[urt, both], [both, both], [none, none], [urt, urt]]);
  expect(found.outcome).toMatchObject({ observed: 1, kappa: 1 });
  expect(found.urt.kappa).toBe(1);
  expect(found.oit).toMatchObject({ observed: 0.75, kappa: 0.5 });
  expect(found.pattern.observed).toBe(0.75);
});
