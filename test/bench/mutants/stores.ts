/**
 * Kernels made wrong on purpose, to see that tests notice: one store into a buffer that a kernel writes is changed,
 * numbers are scaled by 1.5, numbers of rows and tokens moved by 1.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const KERNELS = join(import.meta.dirname!, "../../../gpu/kernels");

/** A store of a kernel: where its value stands in the source, the value, and a wrong one. */
export interface Store {
  readonly from: number;
  readonly to: number;
  readonly value: string;
  readonly wrong: string;
}

/** Kernels by name. */
export function kernelNames(): string[] {
  return readdirSync(KERNELS).filter((name) => name.endsWith(".wgsl") && !name.endsWith(".inc.wgsl"))
    .map((name) => name.replace(/\.wgsl$/, "")).sort();
}

export const kernelText = (kernel: string): string => readFileSync(join(KERNELS, `${kernel}.wgsl`), "utf8");

/** The stores into buffers that a kernel's source writes, in their order. */
export function storesOf(text: string): Store[] {
  // Comments write stores too: they are read as blanks.
  const code = text.replaceAll(/\/\/.*$/gm, (comment) => " ".repeat(comment.length));
  const buffers = [...code.matchAll(/var<storage, read_write> (\w+): array<(atomic<)?(\w+)>/g)];
  return buffers.flatMap(([, name, atomic, type]) => {
    const pattern = atomic === undefined
      ? new RegExp(`(?<![\\w&.])${name}\\[[^;=]*\\]\\s*[-+*]?=(?!=)\\s*([^;]+);`, "g")
      : new RegExp(`atomic(?:Add|Max|Store)\\(&${name}\\[[^;]*?\\],\\s*((?:[^();]|\\([^()]*\\))+)\\)`, "g");
    return [...code.matchAll(pattern)].map((match) => {
      const value = match[1]!;
      const from = match.index + match[0].lastIndexOf(value);
      return { from, to: from + value.length, value, wrong: wrongValue(value, type!) };
    });
  }).sort((one, other) => one.from - other.from);
}

function wrongValue(value: string, type: string): string {
  // A mark that is set, or one that is counted: what reads a mark asks only whether it is zero.
  if (value === "1u") return "0u";
  if (type === "u32") return `(${value}) + 1u`;
  if (value === "0.0") return "1.0";
  return value === "vec4f(0)" ? "vec4f(1)" : `1.5 * (${value})`;
}

/** The source with `$STORE_N` in place of the value of store N: a constant chooses between right and wrong. */
export function withChoices(text: string): string {
  return storesOf(text).reduceRight(
    (source, { from, to, value, wrong }, number) =>
      `${source.slice(0, from)}select(${value}, ${wrong}, $STORE_${number})${source.slice(to)}`,
    text,
  );
}

/** The constants of `withChoices` that make one store wrong, or none. */
export function choices(text: string, wrong: number | undefined): Readonly<Record<string, string>> {
  return Object.fromEntries(storesOf(text).map((_store, number) => [`STORE_${number}`, String(number === wrong)]));
}
