/** Rows that sequences share: the numbers of passes that share none, to the last bit. */
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { seededRandom } from "../../test/random.ts";
import { sharedDevice } from "../../test/shared_device.ts";
import type { Device } from "../device/device.ts";
import type { Intervention } from "../engine.ts";
import { openModelDirectory } from "../model/directory.ts";
import type { ModelConfig } from "../model/config.ts";
import { TILE_LIMITS } from "../explanation/closed_form.ts";
import { intervene, NOTHING_INTERVENED } from "./intervention.ts";
import { forward, lastLogits, type Runner, type TokenPlace } from "./pass.ts";
import { orderOf, type PassSequence, shareRows, symbolsOf } from "./shared_rows.ts";
import { freeWeights, loadWeights } from "./weights.ts";
import { HIDDEN } from "../kernels/softmax.ts";

const GOLDEN = join(import.meta.dirname as string, "..", "..", "test", "data", "golden");

describe("which rows are shared", () => {
  const config = { attention: [] } as unknown as ModelConfig;
  const sequence = (
    ids: readonly number[],
    intervention: Intervention = {},
    reads?: readonly number[],
  ): PassSequence => ({
    ids,
    intervened: {
      ...NOTHING_INTERVENED,
      embeddings: new Map(
        intervention.replace?.map((one) => [one.position, (one as { embedding: Float32Array }).embedding]),
      ),
      bias: new Map(intervention.hidden?.map((position) => [position, HIDDEN])),
    },
    reads: reads ?? [ids.length - 1],
  });
  const rowsOf = (sequences: readonly PassSequence[]) => shareRows(config, sequences)?.rowOf.map((rows) => [...rows]);

  test("beginnings that are alike, whatever the order; equal sequences are one", () => {
    const shared = shareRows(config, [[1, 2, 3], [1, 2], [1, 4], [1, 2, 3], [5]].map((ids) => sequence(ids)));
    const [long, short, other, again, last] = shared!.rowOf.map((rows) => [...rows]);
    expect(shared!.unique).toHaveLength(5);
    expect(long!.slice(0, 2)).toEqual(short);
    expect(again).toEqual(long);
    expect(other![0]).toBe(short![0]);
    expect(new Set([...long!, ...other!, ...last!]).size).toBe(5);
    expect(shared!.ownFrom[1]).toBe(0);
    expect([shared!.ownFrom[0], shared!.ownFrom[2], shared!.ownFrom[3], shared!.ownFrom[4]].sort()).toEqual([
      0,
      1,
      2,
      3,
    ]);
  });

  test("a hidden position has a row only where it is read; what follows it is not what follows another", () => {
    const ids = [1, 2, 3, 4];
    const found = rowsOf([
      sequence(ids),
      sequence(ids, { hidden: [1] }),
      sequence([1, 9, 3, 4], { hidden: [1] }),
      sequence(ids, { hidden: [3] }, [1]),
      sequence(ids, { hidden: [3] }, [3]),
    ])!;
    const [plain, one, same, end, read] = found as [number[], number[], number[], number[], number[]];
    expect(one).toEqual([plain[0], -1, expect.any(Number), expect.any(Number)]);
    expect(one[2]).not.toBe(plain[2]);
    expect(same).toEqual(one);
    expect(end).toEqual([...plain.slice(0, 3), -1]);
    expect(read.slice(0, 3)).toEqual(plain.slice(0, 3));
    expect([-1, plain[3]]).not.toContain(read[3]);
  });

  test("another embedding parts what the same one joins", () => {
    const [mean, other] = [new Float32Array(2), new Float32Array(2)];
    const replaced = (embedding: Float32Array) => sequence([1, 2, 3, 4], { replace: [{ position: 1, embedding }] });
    const [first, same, apart] = rowsOf([replaced(mean), replaced(mean), replaced(other)])!;
    expect(same).toEqual(first);
    expect(apart![0]).toBe(first![0]);
    expect(apart![1]).not.toBe(first![1]);
  });

  test("contexts on two sides of a border share nothing", () => {
    const long = { ...config, attention: [{ rotation: { long: { beyond: 3 } } }] } as unknown as ModelConfig;
    const sequences = [sequence([1, 2, 3]), sequence([1, 2, 3, 4]), sequence([1, 2, 3, 4])];
    const { unique, rowOf } = shareRows(long, sequences)!;
    expect(unique).toHaveLength(7);
    expect(rowOf[1]).toEqual(rowOf[2]);
  });

  test("heads at zero, and sequences that have little in common, share none", () => {
    const ablation = { heads: [{ layer: 1, index: 0 }] };
    const same = sequence([1, 2, 3]);
    expect(shareRows(config, [same, { ...same, intervened: { ...NOTHING_INTERVENED, ablation } }])).toBeUndefined();
    const ids = Array.from({ length: 32 }, (_, index) => index);
    expect(shareRows(config, [sequence(ids), sequence([0, ...ids.slice(1).map((id) => id + 50)])])).toBeUndefined();
  });

  test("those that begin alike stand together", () => {
    const symbols = symbolsOf(config, [[7, 1], [3], [7], [3, 5], [7, 1, 1]].map((ids) => sequence(ids)));
    expect(orderOf(symbols)).toEqual([2, 0, 4, 1, 3]);
  });
});

describe.each(["qwen3-a", "olmo3-a", "gemma2-a", "gpt2-a", "smollm3-a", "qwen3moe-a", "phi3-a", "gptneox-a"])(
  "%s",
  (name) => {
    let device: Device;
    let runner: Runner;
    beforeAll(async () => {
      device = await sharedDevice();
      const model = await openModelDirectory(join(GOLDEN, name));
      runner = { device, model, weights: await loadWeights(device, model), keepBytes: Infinity, tiles: TILE_LIMITS };
      return () => {
        freeWeights(device, runner.weights);
        model.close();
      };
    });

    const ways = ["as the adapter does", ...["qwen3-a", "gemma2-a"].includes(name) ? ["by blocks of scores"] : []];
    test.each(ways)(
      "masked prompts have the bits of passes that share none, attention %s",
      async (how) => {
        const random = seededRandom(7);
        const on = how === "by blocks of scores" ? { ...device, workgroupBytes: 0 } : device;
        const prompt = Array.from({ length: 45 }, () => random.integer(2, 200));
        const masks = Array.from({ length: 8 }, (_, index) => {
          const positions = [...new Set(Array.from({ length: 1 + index }, () => random.integer(0, 44)))];
          return [
            { inputIds: prompt.filter((_, position) => !positions.includes(position)) },
            { inputIds: prompt.map((id, position) => positions.includes(position) ? 3 : id) },
            { inputIds: prompt, hidden: positions },
            { inputIds: prompt, replace: positions.map((position) => ({ position, mean: "vocabulary" } as const)) },
            { inputIds: prompt, attentionBias: positions.map((position) => ({ position, bias: -2 })) },
          ];
        }).flat();
        const requests = [{ inputIds: prompt }, ...masks, { inputIds: prompt, hidden: [44, 43, 2] }];
        const before = device.allocatedBytes();
        // A pass for a backward one shares nothing.
        const [shared, whole] = [await logitsOf(on, requests, "logits"), await logitsOf(on, requests, "backward")];
        expect(shared.rows).toBeLessThan(0.8 * whole.rows);
        expect(shared.logits).toEqual(whole.logits);
        expect(new Set(shared.logits.map(([first]) => first)).size).toBeGreaterThan(requests.length / 2);
        expect(device.allocatedBytes()).toBe(before);
      },
    );

    test("so have prompts that share nothing, at few positions or many, of which the last block computes its output", async () => {
      const requests = [48, 32].map((length) => ({
        inputIds: Array.from({ length }, (_, index) => (17 * index + length) % 200),
      }));
      for (const positions of [[19, 3], Array.from({ length: 20 }, (_, index) => index)]) {
        const reads = positions.flatMap((position) => [{ sequence: 1, position }, { sequence: 0, position }]);
        const [few, all] = [
          await logitsOf(device, requests, "logits", reads),
          await logitsOf(device, requests, "backward", reads),
        ];
        expect(few.rows).toBe(all.rows);
        expect(few.logits).toEqual(all.logits);
      }
    });

    async function logitsOf(
      on: Device,
      requests: readonly (Intervention & { readonly inputIds: readonly number[] })[],
      purpose: "logits" | "backward",
      reads?: readonly TokenPlace[],
    ) {
      const pass = await forward({ ...runner, device: on }, requests.map(({ inputIds }) => inputIds), {}, {
        purpose,
        interventions: requests.map((request) => intervene(runner.model, request)),
        reads,
      });
      const logits = await lastLogits({ ...runner, device: on }, pass);
      pass.workspace.free();
      return { rows: pass.workspace.rows, logits };
    }
  },
);
