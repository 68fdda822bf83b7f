/** Values of the options of `culprit mask`. */
import { InputError } from "../../gpu/mod.ts";
import { optionText, type VerbContext } from "./verb.ts";

/** A whole number from `least` on. Throws InputError. */
export function count(context: VerbContext, name: string, least: number): number {
  const text = optionText(context, name) ?? "";
  if (/^\d{1,9}$/.test(text) && Number(text) >= least) return Number(text);
  throw new InputError(`${JSON.stringify(text)} is no count`, `--${name}`, `give a whole number from ${least} on`);
}

/** One of the known names. Throws InputError. */
export function one<Name extends string>(context: VerbContext, name: string, known: readonly Name[]): Name {
  return pick(optionText(context, name) ?? "", name, known);
}

/** Known names with commas between them, each once. Throws InputError. */
export function list<Name extends string>(context: VerbContext, name: string, known: readonly Name[]): Name[] {
  return [...new Set((optionText(context, name) ?? "").split(","))].map((text) => pick(text.trim(), name, known));
}

function pick<Name extends string>(text: string, name: string, known: readonly Name[]): Name {
  const found = known.find((each) => each === text);
  if (found) return found;
  throw new InputError(`${JSON.stringify(text)} is not known`, `--${name}`, `give of: ${known.join(", ")}`);
}

/** Ascending whole numbers from 1 on with commas between them. Throws InputError. */
export function ascending(text: string, name: string): number[] {
  const counts = text.split(",").map((one) => one.trim());
  const wrong = counts.find((one, index) =>
    !/^[1-9]\d{0,8}$/.test(one) || (index > 0 && Number(one) <= Number(counts[index - 1]))
  );
  if (wrong === undefined) return counts.map(Number);
  throw new InputError(
    `${JSON.stringify(wrong)} is no count above the one before it`,
    `--${name}`,
    "give whole numbers from 1 on, ascending, with commas between them",
  );
}
