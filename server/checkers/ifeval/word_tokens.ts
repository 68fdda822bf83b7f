/**
 * Words of English text as NLTK's `word_tokenize` cuts them: Punkt's sentences, then the replacements of the Penn Treebank with
 * NLTK's additions. IFEval counts words in capitals by it.
 */
import { sentences } from "./punkt.ts";
import { BOUNDARY, END, SPACE, split, WORD } from "./python_text.ts";

type Replacement = readonly [pattern: RegExp, replacement: string];

/** In the order in which they are applied: each puts spaces around what shall be a token. */
const REPLACEMENTS: readonly Replacement[] = [
  // opening quotes
  [/([«“‘„]|`+)/gu, " $1 "],
  [/^"/gu, "``"],
  [/(``)/gu, " $1 "],
  [/([ \(\[{<])("|'{2})/gu, "$1 `` "],
  [new RegExp(`(?<![${WORD}])(')(?!(?:re|ve|ll|m|t|s|d|n)${BOUNDARY})(?=[${WORD}])`, "giu"), "$1 "],
  // punctuation
  [new RegExp(String.raw`([^.])(\.)([\]\)\}>"'»”’ ]*)[${SPACE}]*(?![^])`, "gu"), "$1 $2 $3 "],
  [/([:,])([^\p{Nd}])/gu, " $1 $2"],
  [new RegExp(`([:,])${END}`, "gu"), " $1 "],
  [/\.{2,}/gu, " $& "],
  [/[;@#$%&]/gu, " $& "],
  [/[\u2012-\u2015]/gu, " $& "],
  [new RegExp(String.raw`([^.])(\.)([\]\)\}>"']*)[${SPACE}]*(?![^])`, "gu"), "$1 $2$3 "],
  [/[?!]/gu, " $& "],
  [/([^'])' /gu, "$1 ' "],
  [/[*]/gu, " $& "],
  [/[\]\[\(\)\{\}<>]/gu, " $& "],
  [/--/gu, " -- "],
];

/** Applied to the text with a space on either side. */
const LATER_REPLACEMENTS: readonly Replacement[] = [
  // closing quotes
  [/([»”’])/gu, " $1 "],
  [/''/gu, " '' "],
  [/"/gu, " '' "],
  [new RegExp(`[${SPACE}]+`, "gu"), " "],
  [/([^' ])('[sS]|'[mM]|'[dD]|') /gu, "$1 $2 "],
  [/([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) /gu, "$1 $2 "],
  // contractions: "cannot" are two words
  ...["can)(not", "d)('ye", "gim)(me", "gon)(na", "got)(ta", "lem)(me", "more)('n"].map((words): Replacement => [
    new RegExp(`${BOUNDARY}(${words})${BOUNDARY}`, "giu"),
    " $1 $2 ",
  ]),
  [new RegExp(`${BOUNDARY}(wan)(na)(?=[${SPACE}])`, "giu"), " $1 $2 "],
  ...["is", "was"].map((word): Replacement => [new RegExp(` ('t)(${word})${BOUNDARY}`, "giu"), " $1 $2 "]),
];

export function wordTokens(text: string): readonly string[] {
  return sentences(text).flatMap((sentence) => {
    const spaced = apply(REPLACEMENTS, sentence);
    return split(apply(LATER_REPLACEMENTS, ` ${spaced} `));
  });
}

function apply(replacements: readonly Replacement[], text: string): string {
  return replacements.reduce((before, [pattern, replacement]) => before.replace(pattern, replacement), text);
}
