/** The pre-tokenizer of tokenizer.json: cuts a text into the words that merges never cross. */
import { InputError } from "../../errors.ts";
import { isJsonObject, type JsonObject } from "../json.ts";
import { writeBytes } from "./bytes.ts";
import { refuseGrowth } from "./growth.ts";
import { readPattern } from "./normalizer.ts";
import { compilePattern, type Pattern } from "./pattern.ts";
import { behaviorOf, cut, type Piece, type Step } from "./pieces.ts";

/** Throws InputError at `where` for kinds that are not supported. */
export function readPreTokenizer(json: unknown, where: string): Step {
  const steps = readSteps(json, where);
  return (pieces, continues) => {
    const before = charactersOf(pieces);
    return steps.reduce((value, step) => {
      const changed = step(value, continues);
      refuseGrowth(charactersOf(changed), before, where);
      return changed;
    }, pieces);
  };
}

const charactersOf = (pieces: readonly Piece[]): number => pieces.reduce((sum, { text }) => sum + text.length, 0);

/** The steps of sequences within sequences, one after the other. */
function readSteps(json: unknown, where: string): readonly Step[] {
  if (json === null || json === undefined) return [];
  const own = isJsonObject(json) ? json : {};
  const kind = own["type"];
  if (kind === "Sequence" && Array.isArray(own["pretokenizers"])) {
    return own["pretokenizers"].flatMap((one) => readSteps(one, where));
  }
  const read = typeof kind === "string" ? KINDS[kind] : undefined;
  if (read) return [read(own, where)];
  throw new InputError(
    `the pre-tokenizer ${JSON.stringify(kind ?? json)} is not supported`,
    where,
    `use a model with one of: ${Object.keys(KINDS).join(", ")}`,
  );
}

/** GPT-2's words. */
const GPT_2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

const KINDS: Readonly<Record<string, (json: JsonObject, where: string) => Step>> = {
  ByteLevel: byteLevel,
  Split: (json, where) => {
    const pattern = readPattern(json["pattern"], where);
    return cutting(pattern, json["behavior"], where, json["invert"] === true);
  },
  // A number is what Rust calls numeric: Nd, Nl and No.
  Digits: (json, where) =>
    json["individual_digits"] === true
      ? cutting(compilePattern("\\p{N}", where), "Isolated", where)
      : cutting(compilePattern("\\p{N}", where), "Contiguous", where),
  Punctuation: (json, where) =>
    cutting(compilePattern("[!-/:-@\\[-`{-~\\p{P}]", where), json["behavior"] ?? "Isolated", where),
  Whitespace: (_, where) => cutting(compilePattern("\\w+|[^\\w\\s]+", where), "Removed", where, true),
  WhitespaceSplit: (_, where) => cutting(compilePattern("\\s", where), "Removed", where),
  Metaspace: metaspace,
};

function cutting(pattern: Pattern, behavior: unknown, where: string, isInverted = false): Step {
  const chosen = behaviorOf(behavior, where);
  return (pieces) => pieces.flatMap((piece) => cut(piece, pattern.find(piece.text), chosen, isInverted));
}

function byteLevel(json: JsonObject, where: string): Step {
  const words = json["use_regex"] === false ? undefined : compilePattern(GPT_2, where);
  const spaced = json["add_prefix_space"] !== false;
  return (pieces, continues) =>
    pieces.flatMap((piece) => {
      const open = spaced && !piece.text.startsWith(" ") && !(continues && piece.isFirst);
      const whole: Piece = open ? { ...piece, text: ` ${piece.text}` } : piece;
      const cutPieces = words ? cut(whole, words.find(whole.text), "Isolated") : [whole];
      return cutPieces.map(({ text, isFirst }) => ({ text: writeBytes(text), isFirst }));
    });
}

/** Spaces become a visible character, which also goes before the text (sentencepiece's dummy prefix). */
function metaspace(json: JsonObject, where: string): Step {
  const mark = typeof json["replacement"] === "string" ? json["replacement"] : "\u2581";
  if (Array.from(mark).length !== 1) {
    throw new InputError(`replacement is ${JSON.stringify(mark)}`, where, "give one character");
  }
  const scheme = json["prepend_scheme"] ?? (json["add_prefix_space"] === false ? "never" : "always");
  if (scheme !== "always" && scheme !== "first" && scheme !== "never") {
    throw new InputError(`prepend_scheme is ${JSON.stringify(scheme)}`, where, "use one of: always, first, never");
  }
  const splits = json["split"] !== false;
  return (pieces, continues) =>
    pieces.flatMap((piece) => {
      const marked = piece.text.replaceAll(" ", mark);
      const wanted = scheme === "always" || scheme === "first" && piece.isFirst;
      const prepended = wanted && !marked.startsWith(mark) && !(continues && piece.isFirst);
      const whole: Piece = { ...piece, text: prepended ? mark + marked : marked };
      if (!splits) return [whole];
      const matches: number[] = [];
      for (let at = whole.text.indexOf(mark); at >= 0; at = whole.text.indexOf(mark, at + mark.length)) {
        matches.push(at, at + mark.length);
      }
      return cut(whole, matches, "MergedWithNext");
    });
}
