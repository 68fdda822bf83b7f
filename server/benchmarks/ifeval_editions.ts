/**
 * IFEval has two editions of one prompt, key 2785: the first asks for one placeholder, the present one for three, and its
 * arguments with it. Responses to either are judged by their own.
 */
import { isJsonObject, type JsonObject } from "../../gpu/mod.ts";

const KEY = 2785;
const PRESENT = { words: "at least 3 placeholders", placeholders: 3 };
const FIRST = { words: "at least one placeholder", placeholders: 1 };

/** The row of the other edition; undefined for all rows that the editions share. */
export function otherEdition(row: JsonObject): JsonObject | undefined {
  const { key, prompt, kwargs } = row;
  if (key !== KEY || typeof prompt !== "string" || !Array.isArray(kwargs)) return undefined;
  const [own, other] = prompt.includes(PRESENT.words) ? [PRESENT, FIRST] : [FIRST, PRESENT];
  if (!prompt.includes(own.words)) return undefined;
  return {
    ...row,
    prompt: prompt.replace(own.words, other.words),
    kwargs: kwargs.map((one) =>
      isJsonObject(one) && typeof one["num_placeholders"] === "number"
        ? { ...one, num_placeholders: other.placeholders }
        : one
    ),
  };
}
