/** An attribution as people read it on a terminal. */
import type { AttributionResult } from "../../gpu/engine.ts";
import type { Tokenizer } from "../../gpu/model/tokenizer.ts";

/** Tokens listed of each sign. */
const LISTED = 10;
const BAR = 20;
const RED = "31";
const BLUE = "34";

interface Row {
  readonly position: number;
  /** Raw, in logit units. */
  readonly relevance: number;
}

/**
 * The logit difference, and the tokens that speak most for the target and for the contrast, with raw relevance in logit
 * units. Bars are relative to the largest relevance of all tokens. Without a tokenizer tokens are shown as ids.
 */
export function describeAttribution(
  result: AttributionResult,
  tokenizer: Pick<Tokenizer, "token" | "isSpecial"> | null,
  colour: boolean,
): string {
  const { rule, inputIds, target, contrast, logitDifference, nodeRelevance, adapter, seconds } = result;
  const name = (id: number) => tokenizer ? `${id} ${JSON.stringify(tokenizer.token(id))}` : `${id}`;
  const rows: Row[] = inputIds.map((_, position) => ({ position, relevance: nodeRelevance[position]! }));
  const largest = rows.reduce((most, { relevance }) => Math.max(most, Math.abs(relevance)), 0);
  const paint = (code: string, text: string) => colour ? `\x1b[${code}m${text}\x1b[0m` : text;
  const list = (title: string, sign: 1 | -1, code: string): string => {
    const signed = rows.filter(({ relevance }) => relevance * sign > 0)
      .sort((a, b) => sign * (b.relevance - a.relevance));
    const lines = signed.slice(0, LISTED).map(({ position, relevance }) => {
      const id = inputIds[position]!;
      const bar = "#".repeat(Math.round(Math.abs(relevance) / largest * BAR)).padEnd(BAR);
      const special = tokenizer?.isSpecial(id) ? "  (special)" : "";
      const number = `${sign > 0 ? "+" : "-"}${Math.abs(relevance).toFixed(4)}`.padStart(11);
      return `${String(position).padStart(6)} ${paint(code, `${number}  ${bar}`)}  ${name(id)}${special}\n`;
    });
    const rest = signed.length > LISTED ? `       and ${signed.length - LISTED} more\n` : "";
    return `\n${title}\n${lines.join("") || "  none\n"}${rest}`;
  };
  return `delta ${logitDifference.toFixed(4)} = ${target.logit.toFixed(4)} (target ${name(target.id)}) - ` +
    `${contrast.logit.toFixed(4)} (contrast ${name(contrast.id)})\n` +
    `${rule}, ${inputIds.length} tokens, ${seconds.toFixed(2)} s on ${adapter}\n` +
    list("For the target (position, relevance, token):", 1, RED) +
    list("For the contrast:", -1, BLUE);
}
