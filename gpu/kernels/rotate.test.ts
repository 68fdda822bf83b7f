/** Frequencies of rotary embeddings against those of transformers (test/reference/yarn.py). */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { relativeError } from "../../test/compare.ts";
import { rotationAngles, rotationFrequencies } from "./rotate.ts";

interface Row {
  readonly head: number;
  readonly theta: number;
  readonly yarn: Readonly<Record<string, number>>;
  readonly attention_factor: number;
  readonly full: readonly number[];
  readonly plain: readonly number[];
}
const rows: readonly Row[] = JSON.parse(readFileSync(new URL("../../test/data/yarn.json", import.meta.url), "utf8"));

describe.each(rows)("heads of $head, theta $theta", ({ head, theta, yarn: json, attention_factor, full, plain }) => {
  const yarn = {
    factor: json["factor"] as number,
    originalPositions: json["original_max_position_embeddings"] as number,
    betaFast: json["beta_fast"] ?? 32,
    betaSlow: json["beta_slow"] ?? 1,
    attentionFactor: attention_factor,
    truncate: true,
  };

  test("YaRN's frequencies, each within two units in the last place of float32", () => {
    rotationFrequencies({ theta, yarn }, head).forEach((frequency, d) => {
      expect(Math.abs(frequency / (full[d] as number) - 1), `dimension ${d}`).toBeLessThan(2.4e-7);
    });
  });

  test("plain frequencies", () => {
    rotationFrequencies({ theta, yarn: null }, head).forEach((frequency, d) => {
      expect(Math.abs(frequency / (plain[d] as number) - 1), `dimension ${d}`).toBeLessThan(2.4e-7);
    });
  });

  test("cosines and sines carry the attention factor", () => {
    const [stretched, flat] = [yarn, { ...yarn, attentionFactor: 1 }].map((one) =>
      rotationAngles([0, 1, 777], { theta, yarn: one }, head)
    ) as [Float32Array, Float32Array];
    expect(relativeError(stretched, flat.map((value) => value * attention_factor))).toBeLessThan(2e-7);
  });
});
