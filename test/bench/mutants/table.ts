/** The table of main.ts: for stores of kernels the test that fails when they are wrong. */

export interface MutantRow {
  readonly kernel: string;
  /** Its number among the kernel's stores, from 0. */
  readonly store: number;
  /** Its file and name. */
  readonly test: string;
}

/** Kernels that no software adapter runs, and what looks at them instead. */
export const UNREACHED: ReadonlyMap<string, string> = new Map([
  ["matmul-matrix", "wants a matrix unit: its products are compared with the plain kernel's where one is found"],
]);

const HEAD = `# Kernels made wrong on purpose

Each store of each kernel is scaled by 1.5 (numbers of rows and tokens are moved by 1) by itself, and the tests that use
the kernel are run: the first test that fails. Made by \`deno run -A test/bench/mutants/main.ts\` on the bundled adapter,
which names the stores that are not in the table, since no test noticed them or no run reached them yet; run it again
when a kernel or its tests change. A store's number counts the kernel's stores from 0.

| kernel | store | test that fails |
| ------ | ----- | --------------- |
`;

export function writeMutantTable(rows: readonly MutantRow[]): string {
  const lines = rows.map(({ kernel, store, test }) => `| ${kernel} | ${store} | ${test.replaceAll("|", "\\|")} |`);
  const unreached = [...UNREACHED].map(([kernel, why]) => `\`${kernel}\` is not among them: it ${why}.`);
  return `${HEAD}${lines.join("\n")}\n\n${unreached.join("\n")}\n`;
}

export function readMutantTable(text: string): MutantRow[] {
  return [...text.matchAll(/^\| ([\w-]+) +\| (\d+) +\| (.+?) +\|$/gm)]
    .map(([, kernel, store, test]) => ({ kernel: kernel!, store: Number(store), test: test!.replaceAll("\\|", "|") }));
}
