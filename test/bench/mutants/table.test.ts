/** Kernels made wrong on purpose: stores are found, and the table of main.ts names tests that noticed. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { kernelNames, kernelText, storesOf, withChoices } from "./stores.ts";
import { readMutantTable, UNREACHED, writeMutantTable } from "./table.ts";

const ROOT = join(import.meta.dirname!, "../../..");
const rows = readMutantTable(readFileSync(join(import.meta.dirname!, "mutants.md"), "utf8"));

test.each(kernelNames())("%s: its stores are found", (kernel) => {
  expect(storesOf(kernelText(kernel)).length).toBeGreaterThan(0);
});

test("the table names kernels and files of tests that are there", () => {
  expect(rows.length).toBeGreaterThan(0);
  expect(kernelNames()).toEqual(expect.arrayContaining([...UNREACHED.keys(), ...rows.map(({ kernel }) => kernel)]));
  for (const { test: noticed } of rows) {
    const [, file] = /^([\w.]+\.test\.ts): \S/.exec(noticed) ?? [];
    expect(existsSync(join(ROOT, "gpu/kernels", String(file))), noticed).toBe(true);
  }
});

test("the table is read as it is written", () => {
  const some = [{ kernel: "edges", store: 0, test: "kernels.test.ts: edges | whole" }];
  expect(readMutantTable(writeMutantTable(some))).toEqual(some);
});

test("a store is found in code, and not in comments, comparisons or reads", () => {
  const source = `// y[i] = x[i]: not a store.
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> list: array<u32>;
@group(0) @binding(3) var<storage, read_write> count: array<atomic<u32>>;
  if (list[0] == 1u) { y[i] += x[i] * 2.0; } else { y[i] = vec4f(0); }
  list[a[i]] = row;
  atomicAdd(&count[0], 1u);
`;
  expect(storesOf(source).map(({ value, wrong }) => [value, wrong])).toEqual([
    ["x[i] * 2.0", "1.5 * (x[i] * 2.0)"],
    ["vec4f(0)", "vec4f(1)"],
    ["row", "(row) + 1u"],
    ["1u", "0u"],
  ]);
  expect(withChoices(source)).toContain("list[a[i]] = select(row, (row) + 1u, $STORE_2);");
});
