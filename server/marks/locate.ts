/** Where a prompt states its constraints: a locator for IFEval's and IFBench's instructions. */
import { ifbenchPlaces } from "./ifbench.ts";
import { type Arguments, type Cues, ifevalCues } from "./ifeval_cues.ts";
import { clauseOf, withoutMarks } from "./clauses.ts";
import { isFormLine, occurrences, sentencesOf, type Span } from "./sentences.ts";

/** Changes with the rules: marks that an older version found are told apart. */
export const LOCATOR_VERSION = "1";

/** One instruction, and the parts of the prompt that state it. */
export interface LocatedInstruction {
  /** Its place in the item's list. */
  readonly index: number;
  readonly id: string;
  /** Exact substrings of the prompt, in its order; empty when nothing was found. */
  readonly phrases: readonly string[];
}

export interface LocatedItem {
  readonly prompt: string;
  readonly instruction_id_list: readonly string[];
  readonly kwargs: readonly unknown[];
}

/** Finds the clauses that state each instruction of an item. Types that are unknown have no phrases. */
export function locateInstructions({ prompt, instruction_id_list: types, kwargs }: LocatedItem): LocatedInstruction[] {
  const asked = types.map((type, index) => ({ type: plainType(type), from: argumentsOf(kwargs[index]) }));
  const cues = asked.map(({ type, from }) => ifevalCues(type, from));
  const found = cues.map((one) => one === undefined ? [] : heartsOf(prompt, one));
  const hearts = found.map((own, index) => notInside(own, found.filter((_, other) => other !== index).flat()));
  return asked.map(({ type, from }, index) => {
    const one = cues[index];
    const places = one === undefined
      ? ifbenchPlaces(prompt, type, from)
      : placesOf(prompt, one, hearts[index]!, hearts.filter((_, other) => other !== index).flat());
    const phrases = [...new Set(joined(prompt, places).map(({ start, end }) => prompt.slice(start, end)))];
    return { index, id: types[index]!, phrases };
  });
}

/** Names in multilingual copies of the benchmark begin with the language: "en:punctuation:no_comma". */
const plainType = (type: string): string => type.startsWith("en:") ? type.slice(3) : type;

const argumentsOf = (value: unknown): Arguments =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value as Arguments : {};

/** Where the first expression that is found at all is found. */
function heartsOf(prompt: string, { heart, quoted }: Cues): readonly Span[] {
  const silent = quoted === undefined || quoted === "" ? [] : occurrences(prompt, quoted).slice(0, 1);
  for (const expression of heart) {
    const found = [...prompt.matchAll(expression)]
      .map(({ index, 0: text }) => ({ start: index, end: index + text.length }))
      .filter(({ start, end }) => end > start && !silent.some((part) => part.start <= start && end <= part.end));
    if (found.length > 0) return found;
  }
  return [];
}

/** Without those that lie inside of another demand's, as far as some are left. */
function notInside(own: readonly Span[], others: readonly Span[]): readonly Span[] {
  const free = own.filter(({ start, end }) =>
    !others.some((other) => other.start <= start && end <= other.end && other.end - other.start > end - start)
  );
  return free.length > 0 ? free : own;
}

/** The parts of a prompt that state one instruction, in its order; they may overlap. */
function placesOf(prompt: string, cues: Cues, hearts: readonly Span[], others: readonly Span[]): readonly Span[] {
  const sentences = sentencesOf(prompt, cues.whole);
  const within = (sentence: Span) => (part: Span) => part.start < sentence.end && part.end > sentence.start;
  const says = (sentence: Span) => !isFormLine(prompt, sentence) && hearts.some(within(sentence));
  const stated = sentences.some(says);
  const places: Span[] = [];
  let open = false;
  sentences.forEach((sentence, at) => {
    const own = hearts.filter(within(sentence));
    const form = isFormLine(prompt, sentence);
    const more = open ? cues.more?.exec(prompt.slice(sentence.start, sentence.end)) : null;
    const apart = others.some(within(sentence));
    if (form && cues.form && (open || !stated && own.length > 0)) {
      if (!open) places.push(...leadOf(prompt, sentences, at));
      places.push(sentence);
      open = true;
    } else if (own.length > 0 && !(form && stated)) {
      if (cues.form && !open) places.push(...leadOf(prompt, sentences, at));
      const whole = more && !apart;
      places.push(
        ...whole
          ? [withoutMarks(prompt, sentence, own.at(-1)!)]
          : own.map((heart) => clauseOf(prompt, sentence, heart, others, cues.also)),
      );
      open = true;
    } else if (more) {
      const heart = { start: sentence.start + more.index, end: sentence.start + more.index + more[0].length };
      places.push(apart ? clauseOf(prompt, sentence, heart, others, cues.also) : withoutMarks(prompt, sentence, heart));
    } else if (open && cues.form && EXAMPLE.test(prompt.slice(sentence.start, sentence.end))) places.push(sentence);
    // What states another demand does not end what is said of this one.
    else if (!apart) open = false;
  });
  return places;
}

/** Says only that the form follows. */
const EXAMPLE = /^(?:(?:for )?example|like(?: this| below)?|such as|an example)\s*:?$/i;

/** What asks for the form that follows it: a sentence that ends in a colon, and the lines of the form before `at`. */
function leadOf(prompt: string, sentences: readonly Span[], at: number): readonly Span[] {
  let from = at;
  while (from > 0 && isFormLine(prompt, sentences[from - 1]!)) from--;
  const lead = sentences[from - 1];
  return lead !== undefined && prompt[lead.end - 1] === ":" ? sentences.slice(from - 1, at) : [];
}

/** Places in order, those with nothing but white space, a mark or a joining word between them as one. */
function joined(prompt: string, places: readonly Span[]): readonly Span[] {
  const result: Span[] = [];
  for (const place of [...places].sort((a, b) => a.start - b.start)) {
    const last = result.at(-1);
    if (last !== undefined && /^[\s.,;:]*(?:and\s+)?$/.test(prompt.slice(last.end, Math.max(last.end, place.start)))) {
      result[result.length - 1] = { start: last.start, end: Math.max(last.end, place.end) };
    } else result.push(place);
  }
  return result;
}
