/** A trace as people read it on a terminal of 80 columns. */
import type { StoredReach } from "../../schema/tables/trace_values.ts";
import type { TraceDocument } from "../traces/trace_json.ts";
import { describeLargest, paint, signedLogits, tokenName, type TokenNames } from "./attribution_table.ts";
import { COLUMNS, hang, wrap } from "./text_table.ts";

/** Steps and edges listed at most. */
const LISTED = 12;
const EDGES = 3;
/** Letters of a token's text. */
const NAME = 28;
/** Below this share of a row an edge is not told. */
const LEAST_EDGE = 0.05;
const BAR = 12;

const share = (value: number): string => `${(100 * value).toFixed(1)} %`;
const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);

/** What is explained, the steps by weight with what each rests on, and the prompt's tokens by the whole chain. */
export function describeTrace(trace: TraceDocument, names: TokenNames, colour: boolean): string {
  const { steps, error, sentences } = trace;
  const direct = sum(error.shares.slice(0, sentences.length));
  const inSteps = sum(error.shares.slice(sentences.length));
  const own = error.own > 0 ? `, ${share(error.own)} on its own words` : "";
  const lost = sum([...steps.map(({ row }) => row?.lost ?? 0), ...(lastIsError(trace) ? [] : [error.lost])]);
  return `${describeEnd(trace, names)}${
    hang(
      `${trace.rule}, ${trace.inputIds.length} tokens in ${steps.length} steps, ${
        trace.seconds.toFixed(2)
      } s on ${trace.adapter}`,
      2,
    )
  }\n${
    hang(
      `it rests on: ${share(direct)} prompt, ${share(inSteps)} steps${own}, ${share(error.special)} special tokens; ` +
        `through the chain ${share(1 - lost)} reach words of the prompt${
          steps.some(({ kind }) => kind === "tool_output") ? " and outputs of tools" : ""
        }, ${share(lost)} are lost on special tokens`,
      2,
    )
  }\n${describeReach(trace)}${describeSteps(trace, colour)}${describeSentences(trace, colour)}${
    describePrompt(trace, names, colour)
  }`;
}

/** Whether the last step is what is explained. */
const lastIsError = ({ error, steps }: TraceDocument): boolean => error.target === null && steps.length > 0;

function describeEnd({ error, steps }: TraceDocument, names: TokenNames): string {
  const { target, contrast } = error;
  if (target === null || contrast === null) {
    return `${
      hang(
        `value ${error.value.toFixed(4)}, the last step against its best rivals: ${quoted(steps.at(-1)!.text, 120)}`,
        2,
      )
    }\n`;
  }
  return `delta ${error.value.toFixed(4)} = ${target.logit.toFixed(4)} (target ${
    tokenName(names, target.id, NAME)
  })\n` +
    `  - ${contrast.logit.toFixed(4)} (contrast ${tokenName(names, contrast.id, NAME)})\n`;
}

/** From where on the right answer is out of reach, where continuations were tried. */
function describeReach({ reach, lostAt }: TraceDocument): string {
  if (reach === null) return "";
  const prompt = reach.find(({ step }) => step === null);
  const said = lostAt !== null
    ? `from the end of step ${lostAt} on the right answer is out of reach`
    : reach.some(({ completion }) => completion !== null)
    ? "the right answer is within reach to the last step"
    : "no continuation that was tried is right";
  const first = prompt === undefined ? "" : `; from the prompt's end ${rightOf(prompt)}`;
  return `${hang(`${said}${first}`, 2)}\n`;
}

function rightOf({ rollouts }: StoredReach): string {
  return `${rollouts.filter(({ passed }) => passed).length} of ${rollouts.length} continuations are right`;
}

function quoted(text: string, most: number): string {
  const letters = [...JSON.stringify(text)];
  return letters.length > most ? `${letters.slice(0, most - 2).join("")}…"` : letters.join("");
}

/** Steps that carried most of the error, each with what it rests on. */
function describeSteps(trace: TraceDocument, colour: boolean): string {
  const { steps, sentences } = trace;
  const listed = steps.map((step, index) => ({ ...step, index }))
    .slice(0, lastIsError(trace) ? -1 : undefined).toSorted((a, b) => b.weight - a.weight || a.index - b.index);
  if (listed.length === 0) return "\nNo steps: the error is the first thing that the model wrote.\n";
  const largest = Math.max(...listed.map(({ weight }) => weight), 1e-9);
  const lines = listed.slice(0, LISTED).map((step) => {
    const { index, weight, signedWeight, kind, text, row } = step;
    const bar = "#".repeat(Math.round(weight / largest * BAR)).padEnd(BAR);
    const painted = paint(bar, signedWeight < 0 ? -1 : 1, colour);
    const head = `${String(index).padStart(4)}  ${weight.toFixed(3)} ${signed(signedWeight)}  ${painted}  `;
    const [first = "", ...rest] = wrap(quoted(text, 180), COLUMNS - 34);
    const pad = " ".repeat(34);
    const rests = row === null ? "given" : describeEdges(row.shares, row.own, sentences.length);
    const here = trace.reach?.find((reach) => reach.step === index);
    const about = `${kind.replace("_", " ")}; ${rests}${here ? `; ${rightOf(here)}` : ""}`.split(/ (?!%)/);
    return [head + first, ...[...rest, ...wrap("", COLUMNS - 34, about)].map((line) => pad + line)]
      .map((line) => line.trimEnd() + "\n").join("");
  });
  const more = listed.length > LISTED ? `       and ${listed.length - LISTED} more\n` : "";
  return `\nSteps by what reaches them of the error (step, share, signed):\n${lines.join("")}${more}`;
}

/** The prompt's sentences by how much of the error ends in them. */
function describeSentences({ sentences, heat, signedHeat }: TraceDocument, colour: boolean): string {
  if (sentences.length < 2) return "";
  const within = (values: readonly number[], { start, end }: { readonly start: number; readonly end: number }) =>
    sum(values.slice(start, end));
  return describeLargest(
    "Sentences of the prompt (prompt, share, signed):",
    sentences.map((sentence, index) => ({ ...sentence, index })),
    (sentence) => within(heat, sentence),
    1,
    (sentence) => {
      const against = within(signedHeat, sentence);
      const painted = paint(signed(against), against < 0 ? -1 : 1, colour);
      return `${String(sentence.index).padStart(4)}  ${within(heat, sentence).toFixed(3)} ${painted}  ${
        quoted(sentence.text, COLUMNS - 22)
      }`;
    },
  );
}

const signed = (value: number): string => `${value < 0 ? "-" : "+"}${Math.abs(value).toFixed(3)}`;

function describeEdges(shares: readonly number[], own: number, sentences: number): string {
  const strongest = shares.map((value, column) => ({ value: own < 1 ? value / (1 - own) : 0, column }))
    .filter(({ value }) => value >= LEAST_EDGE).sort((a, b) => b.value - a.value).slice(0, EDGES);
  if (strongest.length === 0) return "on nothing in particular";
  return `on ${
    strongest.map(({ value, column }) =>
      `${column < sentences ? `prompt ${column}` : `step ${column - sentences}`} ${share(value)}`
    ).join(", ")
  }`;
}

/** Tokens that nobody explained, by how much of the error ends on them; beside it what the error's own row says. */
function describePrompt(trace: TraceDocument, names: TokenNames, colour: boolean): string {
  const { heat, signedHeat, relevance, inputIds, error } = trace;
  const inColumns = [...trace.sentences, ...trace.steps.filter(({ row }) => row === null)];
  const positions = inColumns.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, at) => start + at))
    .filter((position) => heat[position]! > 0);
  const line = (position: number) => {
    const painted = paint(signed(signedHeat[position]!), signedHeat[position]! < 0 ? -1 : 1, colour);
    const direct = share(Math.abs(relevance[position]!) / (error.absolute || 1));
    return `${String(position).padStart(6)}  ${heat[position]!.toFixed(3)}  ${painted}  ${direct.padStart(7)} ${
      signedLogits(relevance[position]!)
    }  ${tokenName(names, inputIds[position]!, NAME)}`;
  };
  return describeLargest(
    "Words of the prompt by the whole chain (position, share, signed; direct):",
    positions,
    (position) => heat[position]!,
    1,
    line,
  );
}
