/** How a token's text is shown: exactly, with marks for what the eye would miss. */

export interface Piece {
  /** The token's own characters; pieces joined give the token back. */
  readonly text: string;
  /** A mark shown over or in place of the characters; it is never part of the text. */
  readonly mark?: string;
  readonly kind: "text" | "space" | "tab" | "newline" | "control";
}

/** Characters without a glyph of their own: controls, format and direction marks, odd spaces, the replacement character. */
const HIDDEN = /[[\p{Cc}\p{Cf}\p{Z}\p{Cn}\p{Co}\ufffd]--[ \t\n]]/v;
const SPLIT = new RegExp(`(\\r?\\n|\\t| |${HIDDEN.source})`, "v");

function codeLabel(text: string): string {
  return [...text].map((character) =>
    `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`
  )
    .join(" ");
}

/**
 * Splits a token for display. In running text one space before a word is left bare, as in print: the token's colour
 * shows its extent. Every other space gets a dot, tabs and line ends get their signs, characters without a glyph their
 * code.
 */
export function tokenPieces(text: string, running = true): readonly Piece[] {
  const parts = text.split(SPLIT).filter((part) => part !== "");
  return parts.map((part, index): Piece => {
    if (part === " ") {
      const next = parts[index + 1];
      const bare = running && index === 0 && next !== undefined && !/^\s/u.test(next) && !HIDDEN.test(next);
      return bare ? { kind: "text", text: part } : { kind: "space", text: part, mark: "·" };
    }
    if (part === "\t") return { kind: "tab", text: part, mark: "→" };
    if (part === "\n" || part === "\r\n") return { kind: "newline", text: part, mark: part === "\n" ? "↵" : "␍↵" };
    if (HIDDEN.test(part)) return { kind: "control", text: part, mark: codeLabel(part) };
    return { kind: "text", text: part };
  });
}

/** A token in one line for tables, labels and messages: quoted, with escapes as in JSON. */
export function quoteToken(text: string): string {
  return JSON.stringify(text).replace(
    new RegExp(HIDDEN.source, "gv"),
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`,
  );
}

/** A token by itself as plain text, with its marks in place of what has no glyph. */
export function shownToken(text: string): string {
  return tokenPieces(text, false).map(({ text, mark }) => mark ?? text).join("");
}
