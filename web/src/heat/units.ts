/**
 * Words and sentences beside tokens: whole tokens that follow each other, with the sum of their relevance. They are found
 * by Unicode's rules (UAX 29, `Intl.Segmenter`) in the text that the tokens make; special tokens stand by themselves.
 */
import type { Token } from "./documents.ts";
import type { Heat } from "./read_case.ts";
import { scaleOf } from "./relevance.ts";
import type { Chunk } from "./token_chunks.ts";
import type { Unit } from "../shell/route.ts";

/** What units are called, one and several. */
export type UnitNames = readonly [one: string, many: string];

export const UNIT_NAMES: Readonly<Record<Unit, UnitNames>> = {
  tokens: ["token", "tokens"],
  words: ["word", "words"],
  sentences: ["sentence", "sentences"],
};

/** Tokens as units: each as if it were a token, its place among the units, and the tokens that it is made of. */
export interface Units {
  readonly unit: Unit;
  readonly units: readonly Token[];
  /** Tokens of each unit. */
  readonly spans: readonly Chunk[];
  /** Units of the prompt. */
  readonly promptUnits: number;
}

/** Index of the segment that each character (UTF-16) of a text lies in. */
function segmentsOf(text: string, granularity: "word" | "sentence"): Uint32Array {
  const places = new Uint32Array(text.length);
  let count = 0;
  for (const { index, segment } of new Intl.Segmenter("en", { granularity }).segment(text)) {
    places.fill(count++, index, index + segment.length);
  }
  return places;
}

/** Characters of a token that say where it belongs: the first and the last that are no space, if there are any. */
function edgesOf(text: string): readonly [first: number, last: number] {
  const first = text.search(/\S/);
  return first < 0 ? [0, text.length - 1] : [first, text.trimEnd().length - 1];
}

/** Where new units begin in tokens `from` up to `to`, none of which is special. */
function beginningsIn(tokens: readonly Token[], { from, to }: Chunk, granularity: "word" | "sentence"): number[] {
  const texts = tokens.slice(from, to).map(({ text }) => text);
  const segments = segmentsOf(texts.join(""), granularity);
  const beginnings = [from];
  // The space before a word is its own, where it is a token of its own too.
  const isSpace = (text: string) => granularity === "word" && /^[^\S\n]+$/.test(text);
  let offset = 0;
  let before: number | undefined;
  texts.forEach((text, index) => {
    if (text !== "") {
      const [first, last] = edgesOf(text);
      const joins = segments[offset + first] === before || isSpace(texts[index - 1] ?? "");
      if (before !== undefined && !joins) beginnings.push(from + index);
      before = segments[offset + last];
    }
    offset += text.length;
  });
  return beginnings;
}

/** Stretches without special tokens, and each special token, in order; none reaches over the end of the prompt. */
function stretchesOf(tokens: readonly Token[], promptTokens: number): readonly (Chunk & { readonly plain: boolean })[] {
  const stretches: (Chunk & { readonly plain: boolean })[] = [];
  tokens.forEach(({ special }, position) => {
    const last = stretches.at(-1);
    if (last?.plain === true && !special && position !== promptTokens) {
      stretches[stretches.length - 1] = { ...last, to: position + 1 };
    } else stretches.push({ from: position, to: position + 1, plain: !special });
  });
  return stretches;
}

export function unitsOf(tokens: readonly Token[], promptTokens: number, unit: Unit): Units {
  if (unit === "tokens") {
    const spans = tokens.map(({ position }) => ({ from: position, to: position + 1 }));
    return { unit, units: tokens, spans, promptUnits: promptTokens };
  }
  const granularity = unit === "words" ? "word" : "sentence";
  const spans = stretchesOf(tokens, promptTokens).flatMap((stretch): readonly Chunk[] => {
    if (!stretch.plain) return [{ from: stretch.from, to: stretch.to }];
    const beginnings = beginningsIn(tokens, stretch, granularity);
    return beginnings.map((from, index) => ({ from, to: beginnings[index + 1] ?? stretch.to }));
  });
  const units = spans.map(({ from, to }, position): Token => {
    const own = tokens.slice(from, to);
    const first = own[0] as Token;
    return {
      position,
      id: first.id,
      text: own.map(({ text }) => text).join(""),
      special: first.special,
      segment: own.find(({ segment }) => segment === "INSTRUCTION")?.segment ?? first.segment,
    };
  });
  const promptUnits = spans.findIndex(({ from }) => from >= promptTokens);
  return { unit, units, spans, promptUnits: promptUnits < 0 ? spans.length : promptUnits };
}

/** The heat of units: sums over their tokens, with scales of their own. */
export function heatOfUnits(heat: Heat, { unit, units, spans }: Units): Heat {
  if (unit === "tokens") return heat;
  const relevance = spans.map(({ from, to }) => {
    let sum = 0;
    for (let position = from; position < to; position++) sum += heat.relevance[position] ?? 0;
    return sum;
  });
  return {
    ...heat,
    relevance,
    scale: scaleOf(relevance, (position) => units[position]?.special !== true),
    scaleWithSpecial: scaleOf(relevance),
  };
}

/** The unit that holds a token. */
export function unitAt({ spans }: Units, position: number): number {
  return spans.findIndex(({ from, to }) => from <= position && position < to);
}
