/**
 * Tokens beside the vocabulary, found in a text before it is cut into words (tokenizers' AddedVocabulary): the leftmost
 * longest first; where they ask for it, only as whole words, and with the spaces at their sides.
 */
import { InputError } from "../../errors.ts";
import type { JsonObject } from "../json.ts";
import { isSpace, isWord } from "./pattern.ts";

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  /** Found in the normalized text; else in the text as it is. */
  readonly normalized: boolean;
  /** Found only where no other character of a word stands beside it. */
  readonly singleWord: boolean;
  /** Takes the spaces before it along. */
  readonly leftStrip: boolean;
  readonly rightStrip: boolean;
}

/** Throws InputError at `where` for one that is broken. */
export function readAddedToken(json: JsonObject, where: string): AddedToken {
  const { id, content } = json;
  if (typeof content !== "string" || typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= 2 ** 31) {
    throw new InputError(`the added token ${JSON.stringify(json)} has no content or no id`, where, "download it again");
  }
  const special = json["special"] === true;
  return {
    id,
    content,
    special,
    normalized: typeof json["normalized"] === "boolean" ? json["normalized"] : !special,
    singleWord: json["single_word"] === true,
    leftStrip: json["lstrip"] === true,
    rightStrip: json["rstrip"] === true,
  };
}

/** A text between added tokens, with its place, or an added token's id. */
export type Found = number | { readonly text: string; readonly start: number };

interface Node {
  readonly next: Map<number, Node>;
  token: AddedToken | undefined;
}

/** Makes the function that finds tokens, each under the text that it is found by. */
export function findAddedTokens(
  tokens: readonly (readonly [string, AddedToken])[],
): (text: string) => readonly Found[] {
  const root: Node = { next: new Map(), token: undefined };
  for (const [text, token] of tokens) {
    if (text === "") continue;
    let node = root;
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      const next: Node = node.next.get(unit) ?? { next: new Map(), token: undefined };
      node.next.set(unit, next);
      node = next;
    }
    node.token ??= token;
  }
  return root.next.size === 0 ? (text) => text === "" ? [] : [{ text, start: 0 }] : (text) => findIn(text, root);
}

function findIn(text: string, root: Node): readonly Found[] {
  const found: Found[] = [];
  let done = 0;
  for (let at = 0; at < text.length;) {
    const match = longestAt(text, at, root);
    if (!match) {
      at++;
      continue;
    }
    const { token } = match;
    // A match that is no whole word is passed over whole.
    if (!token.singleWord || isAlone(text, at, match.end)) {
      const start = token.leftStrip ? Math.max(spacesBefore(text, at), done) : at;
      const end = token.rightStrip ? spacesAfter(text, match.end) : match.end;
      if (start > done) found.push({ text: text.slice(done, start), start: done });
      found.push(token.id);
      done = end;
    }
    at = match.end;
  }
  if (done < text.length) found.push({ text: text.slice(done), start: done });
  return found;
}

function longestAt(
  text: string,
  at: number,
  root: Node,
): { readonly token: AddedToken; readonly end: number } | undefined {
  let best: { readonly token: AddedToken; readonly end: number } | undefined;
  let node = root.next.get(text.charCodeAt(at));
  for (let end = at + 1; node; end++) {
    if (node.token) best = { token: node.token, end };
    if (end >= text.length) break;
    node = node.next.get(text.charCodeAt(end));
  }
  return best;
}

function isAlone(text: string, start: number, end: number): boolean {
  const before = characterBefore(text, start);
  const after = text.codePointAt(end);
  return !(before !== "" && isWord(before)) && !(after !== undefined && isWord(String.fromCodePoint(after)));
}

function characterBefore(text: string, at: number): string {
  const pair = at > 1 ? text.codePointAt(at - 2)! : 0;
  return pair > 0xffff ? String.fromCodePoint(pair) : text.slice(Math.max(0, at - 1), at);
}

function spacesBefore(text: string, at: number): number {
  while (at > 0 && isSpace(text[at - 1]!)) at--;
  return at;
}

function spacesAfter(text: string, at: number): number {
  while (at < text.length && isSpace(text[at]!)) at++;
  return at;
}
