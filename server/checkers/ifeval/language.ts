/**
 * The language of a text, by the method of Nakatani Shuyo's language-detection as its Python port langdetect 1.0.9 runs
 * it, with the same profiles: naive Bayes on n-grams of one to three characters, drawn at random from the text. IFEval's
 * reference judges by it, errors included, so a better detector would give other verdicts. The reference leaves the draws
 * unseeded; here the seed is 0, and a text has always the same language.
 */
import { readData } from "./data.ts";
import { pythonRandom } from "./python_random.ts";

const TRIALS = 7;
const ALPHA = 0.5;
const ALPHA_WIDTH = 0.05;
const BASE_FREQUENCY = 10000;
const ITERATIONS = 1000;
const CONVERGED = 0.99999;
const LEAST_PROBABILITY = 0.1;
/** Longer texts are judged by their first characters. */
const LONGEST_CHARACTERS = 10000;
const SEED = 0;

interface Data {
  readonly languages: Readonly<
    Record<string, { readonly n_words: readonly number[]; readonly freq: Readonly<Record<string, number>> }>
  >;
  /** First and last code point of Unicode blocks. */
  readonly blocks: Readonly<Record<string, readonly [number, number]>>;
  readonly latin1Excluded: string;
  readonly kanji: readonly string[];
  readonly vietnamese: { readonly letters: string; readonly marks: string; readonly composed: readonly string[] };
}

interface Profiles {
  readonly names: readonly string[];
  /** For each n-gram: the languages that have it, by index, and its share in each. */
  readonly grams: ReadonlyMap<string, { readonly languages: number[]; readonly shares: number[] }>;
  readonly normalise: (character: string) => string;
  readonly composeVietnamese: (text: string) => string;
}

let profiles: Profiles | undefined;

/**
 * The code of the likeliest language ("en", "zh-cn", ...), "unknown" when none is likely, or undefined when the text has
 * nothing to judge by: the reference's checkers let such a text pass.
 */
export function detectLanguage(text: string): string | undefined {
  profiles ??= loadProfiles();
  const grams = gramsOf(cleaned(text, profiles), profiles);
  if (grams.length === 0) return undefined;
  const probabilities = average(grams, profiles);
  let best = -1;
  probabilities.forEach((probability, language) => {
    if (probability > LEAST_PROBABILITY && (best < 0 || probability > probabilities[best]!)) best = language;
  });
  return best < 0 ? "unknown" : profiles.names[best];
}

/** Whether a code is one of the 55 languages that can be detected: ISO 639-1, but "zh-cn" and "zh-tw". */
export function isLanguage(code: string): boolean {
  profiles ??= loadProfiles();
  return profiles.names.includes(code);
}

type Gram = ReturnType<Profiles["grams"]["get"]> & object;

/** The mean of several trials, each until one language is nearly certain. */
function average(grams: readonly Gram[], { names }: Profiles): Float64Array {
  const random = pythonRandom(SEED);
  const mean = new Float64Array(names.length);
  for (let trial = 0; trial < TRIALS; trial++) {
    const weight = (ALPHA + random.gauss() * ALPHA_WIDTH) / BASE_FREQUENCY;
    const probabilities = new Float64Array(names.length).fill(1 / names.length);
    for (let round = 0;; round++) {
      const { languages, shares } = grams[random.below(grams.length)]!;
      let next = 0;
      for (let language = 0; language < names.length; language++) {
        const share = languages[next] === language ? shares[next++]! : 0;
        probabilities[language]! *= weight + share;
      }
      if (round % 5 === 0 && (normalise(probabilities) > CONVERGED || round >= ITERATIONS)) break;
    }
    for (let language = 0; language < names.length; language++) mean[language]! += probabilities[language]! / TRIALS;
  }
  return mean;
}

/** Makes the sum 1 and returns the largest. */
function normalise(probabilities: Float64Array): number {
  let sum = 0;
  for (const probability of probabilities) sum += probability;
  let largest = 0;
  for (let language = 0; language < probabilities.length; language++) {
    probabilities[language]! /= sum;
    largest = Math.max(largest, probabilities[language]!);
  }
  return largest;
}

const URL_PATTERN = /https?:\/\/[-_.?&~;+=/#0-9A-Za-z]{1,2076}/g;
const MAIL_PATTERN = /[-_.0-9A-Za-z]{1,64}@[-_0-9A-Za-z]{1,255}[-_.0-9A-Za-z]{1,255}/g;

/** Characters without addresses and repeated spaces, and without Latin ones where these are few. */
function cleaned(text: string, { composeVietnamese }: Profiles): readonly string[] {
  const plain = composeVietnamese(text.replaceAll(URL_PATTERN, " ").replaceAll(MAIL_PATTERN, " "));
  const characters = [...plain].slice(0, LONGEST_CHARACTERS)
    .filter((character, at, all) => character !== " " || all[at - 1] !== " ");
  const isLatin = (character: string) => character >= "A" && character <= "z";
  const latin = characters.filter(isLatin).length;
  // Vietnamese letters count as not Latin here: the reference means to spare them but compares a number with a name.
  const others = characters.filter((character) => character.codePointAt(0)! >= 0x300).length;
  return latin * 2 < others ? characters.filter((character) => !isLatin(character)) : characters;
}

/** N-grams that some language has, in the order in which they end. Words in capitals are left out. */
function gramsOf(characters: readonly string[], { grams, normalise }: Profiles): readonly Gram[] {
  const result: Gram[] = [];
  const take = (gram: Gram | undefined) => gram && result.push(gram);
  // The last three characters of the word, with the space before it; empty where it is not that long yet.
  let [third, second, last] = ["", "", " "];
  let capitals = false;
  for (const raw of characters) {
    const character = normalise(raw);
    if (last === " ") {
      third = second = "";
      capitals = false;
      if (character === " ") continue;
    }
    if (!isCapital(character)) capitals = false;
    else if (isCapital(last)) capitals = true;
    [third, second, last] = [second, last, character];
    if (capitals) continue;
    if (last !== " ") take(grams.get(last));
    take(grams.get(second + last));
    if (third !== "") take(grams.get(third + second + last));
  }
  return result;
}

const known = new Map<string, boolean>();
function isCapital(character: string): boolean {
  let found = known.get(character);
  if (found === undefined) known.set(character, found = /^\p{Uppercase}/u.test(character));
  return found;
}

function loadProfiles(): Profiles {
  const data = readData<Data>("langdetect");
  const grams = new Map<string, { languages: number[]; shares: number[] }>();
  const names = Object.keys(data.languages);
  names.forEach((name, language) => {
    const { freq, n_words } = data.languages[name]!;
    // No profile has characters beyond the Basic Multilingual Plane: lengths are in characters.
    for (const [gram, count] of Object.entries(freq)) {
      let entry = grams.get(gram);
      if (entry === undefined) grams.set(gram, entry = { languages: [], shares: [] });
      entry.languages.push(language);
      entry.shares.push(count / n_words[gram.length - 1]!);
    }
  });
  return { names, grams, normalise: normaliser(data), composeVietnamese: composer(data) };
}

/** Makes one character of those that tell no languages apart. */
function normaliser({ blocks, latin1Excluded, kanji }: Data): Profiles["normalise"] {
  const kanjiClass = new Map(kanji.flatMap((all) => [...all].map((character) => [character, [...all][0]!])));
  const single: Readonly<Record<string, string>> = { "\u0219": "\u015f", "\u021b": "\u0163", "\u06cc": "\u064a" };
  const replaced: Readonly<Record<string, string>> = {
    general_punctuation: " ",
    hiragana: "\u3042",
    katakana: "\u30a2",
    bopomofo: "\u3105",
    bopomofo_extended: "\u3105",
    hangul_syllables: "\uac00",
  };
  const ranges = Object.entries(replaced).map(([block, by]) => ({ range: blocks[block]!, by }));
  return (character) => {
    const code = character.codePointAt(0)!;
    if (code < 0x80) return /[A-Za-z]/.test(character) ? character : " ";
    if (code < 0x100) return latin1Excluded.includes(character) ? " " : character;
    if (code >= 0x1ea0 && code <= blocks["latin_extended_additional"]![1]) return "\u1ec3";
    const block = ranges.find(({ range }) => code >= range[0] && code <= range[1]);
    return block?.by ?? single[character] ?? kanjiClass.get(character) ?? character;
  };
}

/** Joins Vietnamese letters with marks that follow them. */
function composer({ vietnamese: { letters, marks, composed } }: Data): Profiles["composeVietnamese"] {
  const pattern = new RegExp(`([${letters}])([${marks}])`, "gu");
  return (text) =>
    text.replace(
      pattern,
      (_pair, letter: string, mark: string) => composed[marks.indexOf(mark)]![letters.indexOf(letter)]!,
    );
}
