/** Whether a response passed, from the scores that a log has of it. */
import { isJsonObject, type JsonObject } from "../../gpu/mod.ts";
import type { LoggedResponse } from "./format.ts";

/** Scores that decide before any other, best first. */
const DECIDING = [
  "prompt_level_strict_acc",
  "prompt_level_strict",
  "math_verify",
  "extractive_match",
  "exact_match",
  "quasi_exact_match",
  "qem",
  "em",
  "pass@1",
  "accuracy",
  "acc",
];
/** How scorers write right and wrong: Inspect's letters, words, text of truth values. A part that is right is not passed. */
const WORDS: Readonly<Record<string, boolean>> = {
  c: true,
  correct: true,
  true: true,
  yes: true,
  pass: true,
  passed: true,
  i: false,
  incorrect: false,
  wrong: false,
  false: false,
  no: false,
  fail: false,
  failed: false,
  p: false,
  n: false,
};

/** A truth value, 0 or 1, or a word for one; null for anything else. */
export function truthOf(value: unknown): boolean | null {
  if (typeof value === "boolean") return value;
  if (value === 0 || value === 1) return value === 1;
  if (typeof value !== "string") return null;
  const word = value.trim().toLowerCase();
  if (word === "0" || word === "1" || word === "0.0" || word === "1.0") return Number(word) === 1;
  return Object.hasOwn(WORDS, word) ? WORDS[word]! : null;
}

/** What a table of scores says: by the score that decides, else the first that is right or wrong. Null without scores. */
export function loggedOf(scores: JsonObject): LoggedResponse["logged"] {
  const names = Object.keys(scores);
  if (names.length === 0) return null;
  const deciding = DECIDING.find((name) => names.includes(name) && verdictOf(scores[name]) !== null) ??
    names.find((name) => verdictOf(scores[name]) !== null);
  const passed = deciding === undefined ? null : verdictOf(scores[deciding]);
  return {
    passed,
    ...(passed === false ? { reason: `${deciding} is ${JSON.stringify(scores[deciding!])}` } : {}),
    detail: { scores, ...(deciding === undefined ? {} : { decides: deciding }) },
  };
}

/** A score may be a table of scores itself. */
function verdictOf(score: unknown): boolean | null {
  return isJsonObject(score) ? loggedOf(score)?.passed ?? null : truthOf(score);
}
