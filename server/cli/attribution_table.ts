/** An attribution as people read it on a terminal. */
import type { AttributionResult, Tokenizer } from "../../gpu/mod.ts";
import { COLUMNS, hang } from "./text_table.ts";
import { isControl } from "../cases/segments.ts";
import { absorbedOf } from "./attribution_json.ts";

/** Tokens listed of each sign. */
const LISTED = 10;
const BAR = 20;
/** Letters shown of a token's text, in lists and above them. */
const NAME = 28;
const HEAD_NAME = 36;

/** What texts need of a tokenizer; without one tokens are shown as ids. */
export type TokenNames = Pick<Tokenizer, "token" | "isSpecial"> | null;

/** A token's id and text. A text of more than `most` characters is cut. */
export function tokenName(names: TokenNames, id: number, most = Infinity): string {
  if (!names) return `${id}`;
  const text = [...JSON.stringify(names.token(id))];
  const shown = text.length > most ? `${text.slice(0, most - 2).join("")}…"` : text.join("");
  return `${id} ${shown}`;
}

/** A signed number of logits in a column of its own. */
export function signedLogits(value: number): string {
  return `${value < 0 ? "-" : "+"}${Math.abs(value).toFixed(4)}`.padStart(11);
}

/** Red for what speaks for the target, blue for the contrast. */
export function paint(text: string, sign: 1 | -1, colour: boolean): string {
  return colour ? `\x1b[${sign > 0 ? 31 : 34}m${text}\x1b[0m` : text;
}

/** The logit difference, and how it was attributed. */
export function describeDifference(result: AttributionResult, names: TokenNames): string {
  const { rule, inputIds, target, contrast, logitDifference, adapter, seconds } = result;
  const delta = `delta ${logitDifference.toFixed(4)}`;
  const wrong = ` = ${target.logit.toFixed(4)} (target ${tokenName(names, target.id, HEAD_NAME)})`;
  const right = ` - ${contrast.logit.toFixed(4)} (contrast ${tokenName(names, contrast.id, HEAD_NAME)})`;
  const fold = [...delta, ...wrong, ...right].length > COLUMNS ? `\n${" ".repeat(delta.length)}` : "";
  return `${delta}${wrong}${fold}${right}\n` +
    `${hang(`${rule}, ${inputIds.length} tokens, ${seconds.toFixed(2)} s on ${adapter}`, 2)}\n${
      describeAbsorbed(result)
    }`;
}

/** Beyond this share of the largest relevance a difference is no rounding. */
const ROUNDING = 1e-3;

/** What biases absorbed, where CP-LRP says. */
function describeAbsorbed(result: AttributionResult): string {
  const absorbed = absorbedOf(result, result.logitDifference);
  const { inputIds: { length }, nodeRelevance } = result;
  const largest = nodeRelevance.subarray(0, length).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  if (absorbed === null || Math.abs(absorbed) <= ROUNDING * largest) return "";
  const sum = (result.logitDifference - absorbed).toFixed(4);
  return `relevance sums to ${sum}, biases absorbed ${signedLogits(absorbed).trim()}\n`;
}

/** Lines of one sign under a title, largest first; those beyond the listed are counted. */
export function describeLargest<Item>(
  title: string,
  items: readonly Item[],
  value: (item: Item) => number,
  sign: 1 | -1,
  line: (item: Item) => string,
): string {
  const signed = items.filter((item) => value(item) * sign > 0).sort((a, b) => sign * (value(b) - value(a)));
  const lines = signed.slice(0, LISTED).map((item) => `${line(item)}\n`);
  const rest = signed.length > LISTED ? `       and ${signed.length - LISTED} more\n` : "";
  return `\n${title}\n${lines.join("") || "  none\n"}${rest}`;
}

/**
 * The logit difference, and the tokens that speak most for the target and for the contrast, with raw relevance in logit
 * units. Bars are relative to the largest relevance of all tokens.
 */
export function describeAttribution(result: AttributionResult, names: TokenNames, colour: boolean): string {
  return describeDifference(result, names) + describeTokens(result, names, colour, "For the contrast:");
}

/** Tokens that speak most for the target, and those that speak against it under the title `against`. */
export function describeTokens(
  { inputIds, nodeRelevance }: Pick<AttributionResult, "inputIds" | "nodeRelevance">,
  names: TokenNames,
  colour: boolean,
  against: string,
): string {
  const relevance = (position: number) => nodeRelevance[position]!;
  const positions = [...inputIds.keys()];
  const largest = positions.reduce((most, position) => Math.max(most, Math.abs(relevance(position))), 0);
  const list = (title: string, sign: 1 | -1) =>
    describeLargest(title, positions, relevance, sign, (position) => {
      const id = inputIds[position]!;
      const value = relevance(position);
      const bar = "#".repeat(Math.round(Math.abs(value) / largest * BAR)).padEnd(BAR);
      const special = names && isControl(names, position, id) ? "  (special)" : "";
      const painted = paint(`${signedLogits(value)}  ${bar}`, sign, colour);
      return `${String(position).padStart(6)} ${painted}  ${tokenName(names, id, special ? NAME - 8 : NAME)}${special}`;
    });
  return list("For the target (position, relevance, token):", 1) + list(against, -1);
}
