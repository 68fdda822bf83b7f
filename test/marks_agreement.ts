/** How far two markings of one text agree. */
import { randomStream, shuffled } from "../server/base/statistics/random.ts";

/** Places of a text that phrases cover, every occurrence of each; as segments count them. */
export function covered(text: string, phrases: readonly string[]): ReadonlySet<number> {
  const places = new Set<number>();
  for (const phrase of phrases) {
    if (phrase === "") continue;
    for (let at = text.indexOf(phrase); at >= 0; at = text.indexOf(phrase, at + phrase.length)) {
      for (let offset = 0; offset < phrase.length; offset++) places.add(at + offset);
    }
  }
  return places;
}

/** F1 of two sets: 1 where both are empty, 0 where one is or nothing is common. */
export function f1(one: ReadonlySet<number>, other: ReadonlySet<number>): number {
  if (one.size + other.size === 0) return 1;
  let common = 0;
  for (const place of one) if (other.has(place)) common++;
  return 2 * common / (one.size + other.size);
}

export interface Marking {
  readonly text: string;
  readonly phrases: readonly string[];
}

/** Mean character F1 of pairs of markings, and the share of them with anything in common. */
export function agreementOf(pairs: readonly (readonly [Marking, Marking])[]): { f1: number; overlap: number } {
  const each = pairs.map(([one, other]) => f1(covered(one.text, one.phrases), covered(other.text, other.phrases)));
  return {
    f1: each.reduce((sum, value) => sum + value, 0) / each.length,
    overlap: each.filter((value) => value > 0).length / each.length,
  };
}

/** A case's prompt, its sentences, and those of them that are marked. */
export interface SentenceMarks {
  readonly key: string;
  readonly prompt: string;
  readonly sentences: readonly string[];
  readonly marked: readonly string[];
}

/** Draws of the random baseline. */
const DRAWS = 200;

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * Mean character F1 with a reading (phrases by key): of the marks, of as many sentences drawn at random, and of the first
 * sentence; over the cases that the reading has.
 */
export function sentenceAgreement(
  cases: readonly SentenceMarks[],
  readings: ReadonlyMap<string, readonly string[]>,
): { readonly cases: number; readonly causal: number; readonly random: number; readonly first: number } {
  const read = cases.filter(({ key }) => readings.has(key));
  const scoreOf = ({ key, prompt }: SentenceMarks, phrases: readonly string[]) =>
    f1(covered(prompt, phrases), covered(prompt, readings.get(key)!));
  return {
    cases: read.length,
    causal: mean(read.map((each) => scoreOf(each, each.marked))),
    random: mean(read.map((each) =>
      mean(Array.from({ length: DRAWS }, (_, draw) => {
        const order = shuffled(each.sentences, randomStream(draw + 1, each.key));
        return scoreOf(each, order.slice(0, each.marked.length));
      }))
    )),
    first: mean(read.map((each) => scoreOf(each, each.sentences.slice(0, 1)))),
  };
}
