/** Objectives against autograd through transformers' modules (test/reference/objectives.py), and what must hold of them. */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { type Engine, InputError, type LoadedModel, type Rule } from "../../gpu/mod.ts";
import { sharedEngine } from "../../test/shared_device.ts";
import { ROOT } from "../base/settings.ts";
import { relativeError } from "../../test/compare.ts";
import { attributeObjective, type Objective, partingOf } from "./objective.ts";

interface Golden {
  readonly model: string;
  readonly inputIds: readonly number[];
  readonly rule: Rule;
  readonly objective: Objective;
  readonly value: number;
  /** [layers + 1][tokens], and the same of what is a sequence's alone. */
  readonly relevance: readonly (readonly number[])[];
  readonly target?: readonly (readonly number[])[];
  readonly contrast?: readonly (readonly number[])[];
}
const GOLDEN = JSON.parse(readFileSync(`${ROOT}/test/data/objectives.json`, "utf8")) as readonly Golden[];
const folderOf = (name: string) => `${ROOT}/${name === "demo-1m" ? "models" : "test/data/golden"}/${name}`;

let engine: Engine;
const models = new Map<string, LoadedModel>();
beforeAll(async () => {
  engine = await sharedEngine();
  for (const { model } of GOLDEN) {
    if (!models.has(model)) models.set(model, await engine.loadModel(folderOf(model)));
  }
});

test("all of them are here: three models, three rules, four objectives", () => expect(GOLDEN).toHaveLength(36));

test.each(GOLDEN.map((one) => ({ ...one, title: `${one.model}, ${one.rule}, ${one.objective.kind}` })))(
  "$title",
  async ({ model, inputIds, rule, objective, value, relevance, target, contrast }) => {
    const found = await attributeObjective(models.get(model)!, { inputIds, objective, rule });
    const largest = Math.max(...relevance.flat().map(Math.abs));
    expect(relativeError(found.nodeRelevance, relevance.flat())).toBeLessThan(1e-4);
    expect(Math.abs(found.value - value)).toBeLessThan(1e-4 * Math.max(1, Math.abs(value)));
    expect(found.inputIds.slice(0, inputIds.length)).toEqual(inputIds);
    for (const [side, own] of [["target", target], ["contrast", contrast]] as const) {
      const branch = found.branches.find((one) => one.side === side);
      const errors = (own ?? []).flat().map((expected, at) => Math.abs(branch!.nodeRelevance[at]! - expected));
      expect(branch?.nodeRelevance.length ?? 0).toBe(errors.length);
      expect(Math.max(0, ...errors) / largest).toBeLessThan(1e-4);
    }
  },
);

describe("sequences", () => {
  const model = () => models.get("demo-1m")!;
  const { inputIds } = GOLDEN[0]!;
  const of = (target: readonly number[], contrast: readonly number[]) =>
    attributeObjective(model(), { inputIds, objective: { kind: "sequence", target, contrast }, rule: "attnlrp" });

  test("of one token each they are the token pair, to the last bit", async () => {
    const found = await of([5], [9]);
    const pair = await model().attribute({ inputIds, target: 5, contrast: 9, rule: "attnlrp" });
    expect([found.value, found.nodeRelevance, found.branches]).toEqual([
      pair.logitDifference,
      pair.nodeRelevance,
      [],
    ]);
  });

  test("turned round every relevance has the other sign", async () => {
    const [one, other] = [await of([7, 5, 3], [7, 9]), await of([7, 9], [7, 5, 3])];
    expect(other.value).toBeCloseTo(-one.value, 4);
    expect(relativeError(other.nodeRelevance.map((value) => -value), one.nodeRelevance)).toBeLessThan(1e-5);
    // The token that both begin with is a token of the input.
    expect(one.inputIds).toEqual([...inputIds, 7]);
    expect(one.branches.map(({ side, ids }) => [side, ids])).toEqual([["target", [5]]]);
  });

  test("that never part are refused", async () => {
    const error = await of([5, 3], [5, 3, 9]).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).message).toMatch(/^contrast: one of the two sequences begins the other/);
    expect(partingOf({ target: [1, 2, 3], contrast: [1, 4] })).toBe(1);
  });
});

test("without a target it is the model's own next token", async () => {
  const { inputIds } = GOLDEN[0]!;
  const model = models.get("demo-1m")!;
  const logits = await model.logits(inputIds);
  const best = logits.indexOf(Math.max(...logits));
  for (const objective of [{ kind: "logit" }, { kind: "mean" }, { kind: "top", count: 3 }] as const) {
    const { terms } = await attributeObjective(model, { inputIds, objective, rule: "cplrp" });
    expect(new Set(terms.map(({ target }) => target))).toEqual(new Set([best]));
    expect(terms).toHaveLength(objective.kind === "top" ? 3 : 1);
  }
});
