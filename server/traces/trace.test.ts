/** Traces against single attributions over families and random steps, and against autograd (test/reference/traces.py). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Engine, InputError, type LoadedModel, type Rule, RULES } from "../../gpu/mod.ts";
import { sharedEngine } from "../../test/shared_device.ts";
import { relativeError } from "../../test/compare.ts";
import { seededRandom } from "../../test/random.ts";
import { compareTrace, type GoldenTrace } from "../../test/traces.ts";
import { ROOT } from "../base/settings.ts";
import type { Step } from "./cut_steps.ts";
import { traceCompletion, type TraceRequest } from "./trace.ts";

const FAMILIES = ["qwen3-a", "llama-b", "gemma2-a", "gpt2-a", "gptneox-a", "qwen3moe-a"] as const;
const GOLDEN = JSON.parse(readFileSync(join(ROOT, "test/data/traces.json"), "utf8")) as readonly GoldenTrace[];

let engine: Engine;
beforeAll(async () => {
  engine = await sharedEngine();
});

/** A prompt of some tokens and steps of random lengths, one of which a tool gave back. */
function randomTrace(seed: number, rule: Rule): TraceRequest {
  const random = seededRandom(seed);
  const promptTokens = random.integer(3, 9);
  const steps: Step[] = [];
  for (let index = 0; index < 4; index++) {
    const start = steps.at(-1)?.end ?? promptTokens;
    steps.push({
      kind: index === 1 ? "tool_output" : "line",
      start,
      end: start + random.integer(1, 5),
      text: `step ${index}`,
    });
  }
  const inputIds = Array.from({ length: steps.at(-1)!.end }, () => random.integer(3, 60));
  return {
    inputIds,
    special: inputIds.map((_, position) => position === 0 || position === steps[2]!.start),
    sentences: [{ start: 1, end: promptTokens, text: "" }],
    steps,
    end: seed % 2 === 0 ? { kind: "step" } : { kind: "pair", target: undefined, contrast: undefined },
    rule,
  };
}

describe.each(FAMILIES)("%s", (family) => {
  let model: LoadedModel;
  beforeAll(async () => {
    model = await engine.loadModel(join(ROOT, "test/data/golden", family));
  });
  afterAll(() => model?.dispose());

  test.each(RULES)(
    "a step's relevance is the sum of its tokens' attributions, each against its rival, %s",
    async (rule) => {
      for (const seed of [1, 2]) {
        const request = randomTrace(family.length * 10 + seed, rule);
        const { inputIds, steps, special } = request;
        const trace = await traceCompletion(model, request);
        const rivals = (await model.nextTokens([{ inputIds, from: 0, top: 2 }]))[0]!;
        const explained = steps.filter((step) =>
          step.kind !== "tool_output" && inputIds.some((_, at) => at >= step.start && at < step.end && !special[at])
        );
        expect(trace.relevance).toHaveLength(explained.length + (request.end.kind === "pair" ? 1 : 0));
        for (const [row, { start, end }] of explained.entries()) {
          const tokens = [...inputIds.keys()].slice(start, end).filter((token) => !special[token]);
          const single = await model.attributeMany(tokens.map((token) => ({
            inputIds: inputIds.slice(0, token),
            target: inputIds[token]!,
            contrast: rivals[token - 1]!.find(({ id }) => id !== inputIds[token])!.id,
            rule,
          })));
          const sums = new Float64Array(inputIds.length);
          let [value, scale] = [0, 0];
          for (const { nodeRelevance, logitDifference, inputIds: { length } } of single) {
            const own = nodeRelevance.subarray(0, length);
            own.forEach((part, token) => sums[token]! += part);
            // Each token's rounding is relative to its own largest.
            scale += Math.max(...nodeRelevance.map(Math.abs));
            value += logitDifference;
          }
          trace.relevance[row]!.forEach((found, token) =>
            expect(Math.abs(found - sums[token]!) / scale, `${rule} ${seed} ${row} ${token}`).toBeLessThan(1e-6)
          );
          const { row: stored } = trace.steps.find((step) => step.start === start)!;
          expect(stored!.value).toBeCloseTo(value, 4);
          expect(stored!.tokens).toBe(tokens.length);
        }
      }
    },
  );
});

test("the pair at the end is the attribution of the model's own next token against its best rival", async () => {
  const model = await engine.loadModel(join(ROOT, "models/demo-1m"));
  const request = randomTrace(11, "attnlrp");
  const { error, relevance } = await traceCompletion(model, request);
  const { target, contrast } = error.pair!;
  expect(target.logit).toBeGreaterThan(contrast.logit);
  const single = await model.attribute({ inputIds: request.inputIds, contrast: contrast.id, rule: "attnlrp" });
  expect(single.target.id).toBe(target.id);
  expect(relativeError(relevance.at(-1)!, single.nodeRelevance.subarray(0, request.inputIds.length))).toBeLessThan(
    1e-6,
  );
  const end = { kind: "pair", target: undefined, contrast: target.id } as const;
  await expect(traceCompletion(model, { ...request, end })).rejects.toThrow(InputError);
  const outputs = request.steps.map((step) => ({ ...step, kind: "tool_output" as const }));
  await expect(traceCompletion(model, { ...request, steps: outputs, end: { kind: "step" } })).rejects.toThrow(
    /^completion: the last step has no token that the model chose/,
  );
  model.dispose();
});

test.each(GOLDEN)("lines of an answer of demo-1m are autograd's, $rule", async (golden) => {
  const model = await engine.loadModel(join(ROOT, "models/demo-1m"));
  await compareTrace(model, join(ROOT, "models/demo-1m"), golden, 1e-3);
  model.dispose();
});
