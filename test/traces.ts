/** Traces as another implementation has them (test/reference/traces.py), and what they are compared with. */
import { expect } from "vitest";
import { type LoadedModel, loadTokenizer, type Rule } from "../gpu/mod.ts";
import { cutCompletion } from "../server/traces/cut_steps.ts";
import { traceCompletion } from "../server/traces/trace.ts";

/** Sums over columns: the prompt, the steps before, the step itself. */
interface GoldenRow {
  readonly value: number;
  readonly signed: readonly number[];
  readonly absolute: readonly number[];
}
export interface GoldenTrace {
  readonly rule: Rule;
  readonly inputIds: readonly number[];
  /** Where steps begin. */
  readonly starts: readonly number[];
  readonly rows: readonly GoldenRow[];
}

const sum = (values: Iterable<number>): number => [...values].reduce((all, value) => all + value, 0);

/** Sums of relevance over the prompt, each earlier step and the step, all tokens counted, relative to the row's largest. */
export async function compareTrace(
  model: LoadedModel,
  folder: string,
  { rule, inputIds, starts, rows }: GoldenTrace,
  most: number,
): Promise<void> {
  const tokenizer = await loadTokenizer(folder);
  const cut = cutCompletion(tokenizer, inputIds, starts[0]!, starts);
  const { relevance, steps } = await traceCompletion(model, { inputIds, rule, ...cut, end: { kind: "step" } });
  expect(relevance).toHaveLength(rows.length);
  const borders = [0, ...starts, inputIds.length];
  rows.forEach(({ value, signed, absolute }, row) => {
    const parts = Array.from({ length: row + 2 }, (_, at) => relevance[row]!.subarray(borders[at], borders[at + 1]));
    const scale = sum(absolute);
    parts.forEach((part, at) => {
      expect(Math.abs(sum(part) - signed[at]!) / scale, `step ${row}, column ${at}`).toBeLessThan(most);
      expect(Math.abs(sum(part.map(Math.abs)) - absolute[at]!) / scale, `step ${row}, column ${at}`).toBeLessThan(most);
    });
    expect(Math.abs(steps[row]!.row!.value - value)).toBeLessThan(most * Math.max(1, Math.abs(value)));
  });
}
