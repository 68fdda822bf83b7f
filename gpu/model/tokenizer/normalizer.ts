/** The normalizer of tokenizer.json: changes of a text before it is cut into words. */
import { InputError } from "../../errors.ts";
import { isJsonObject, type JsonObject } from "../json.ts";
import { writeBytes } from "./bytes.ts";
import { refuseGrowth } from "./growth.ts";
import { compilePattern, isSpace, literalPattern, type Pattern } from "./pattern.ts";

/** `continues`: the text follows another one, so that nothing is put in front of it. */
export type Normalizer = (text: string, continues: boolean) => string;

/** Throws InputError at `where` for kinds that are not supported. */
export function readNormalizer(json: unknown, where: string): Normalizer {
  const steps = readSteps(json, where);
  return (text, continues) =>
    steps.reduce((value, step) => {
      const changed = step(value, continues);
      refuseGrowth(changed.length, text.length, where);
      return changed;
    }, text);
}

/** The steps of sequences within sequences, one after the other. */
function readSteps(json: unknown, where: string): readonly Normalizer[] {
  if (json === null || json === undefined) return [];
  const own = isJsonObject(json) ? json : {};
  const kind = own["type"];
  if (kind === "Sequence" && Array.isArray(own["normalizers"])) {
    return own["normalizers"].flatMap((one) => readSteps(one, where));
  }
  const read = typeof kind === "string" ? KINDS[kind] : undefined;
  if (read) return [read(own, where)];
  throw new InputError(
    `the normalizer ${JSON.stringify(kind ?? json)} is not supported`,
    where,
    `use a model with one of: ${Object.keys(KINDS).join(", ")}`,
  );
}

const KINDS: Readonly<Record<string, (json: JsonObject, where: string) => Normalizer>> = {
  NFC: () => (text) => text.normalize("NFC"),
  NFD: () => (text) => text.normalize("NFD"),
  NFKC: () => (text) => text.normalize("NFKC"),
  NFKD: () => (text) => text.normalize("NFKD"),
  Lowercase: () => (text) => Array.from(text, (character) => character.toLowerCase()).join(""),
  ByteLevel: () => writeBytes,
  Strip: (json) => (text) => {
    const characters = Array.from(text);
    const [start, end] = [json["strip_left"] === true, json["strip_right"] === true];
    const first = start ? characters.findIndex((one) => !isSpace(one)) : 0;
    const last = end ? characters.findLastIndex((one) => !isSpace(one)) : characters.length - 1;
    return first < 0 ? "" : characters.slice(first, last + 1).join("");
  },
  Prepend: (json, where) => {
    const before = textOf(json, "prepend", where);
    return (text, continues) => text === "" || continues ? text : before + text;
  },
  Replace: (json, where) => {
    const pattern = readPattern(json["pattern"], where);
    const content = textOf(json, "content", where);
    return (text) => {
      const matches = pattern.find(text);
      let [result, at] = ["", 0];
      for (let index = 0; index < matches.length; index += 2) {
        result += text.slice(at, matches[index]) + content;
        refuseGrowth(result.length, text.length, where);
        at = matches[index + 1]!;
      }
      return result + text.slice(at);
    };
  },
};

/** `{"Regex": ...}` or `{"String": ...}`. */
export function readPattern(json: unknown, where: string): Pattern {
  const { Regex: regex, String: text } = isJsonObject(json) ? json : {};
  if (typeof regex === "string") return compilePattern(regex, where);
  if (typeof text === "string") return literalPattern(text);
  throw new InputError(`pattern is ${JSON.stringify(json)}`, where, "give an object with Regex or String");
}

/** A field that is text. */
export function textOf(json: JsonObject, name: string, where: string): string {
  const value = json[name];
  if (typeof value === "string") return value;
  throw new InputError(`${name} is ${JSON.stringify(value)}`, where, `give ${name} as text`);
}
