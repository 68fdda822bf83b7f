/** @jsxImportSource preact */
/** The heatmap as a picture: tokens in lines of fixed letters, each on the colour of its relevance. */
import type { Folded } from "./folds.ts";
import { fixed } from "./number_text.ts";
import { type Drawing, px, usePaint } from "./picture.tsx";
import type { Table } from "./table.ts";
import { shownToken, tokenPieces } from "./token_text.ts";

export interface HeatToken {
  readonly text: string;
  readonly segment: "instruction" | "query" | "answer" | "special";
  /** In logits. */
  readonly raw: number;
  /** From -1 to 1; null where it has no colour. */
  readonly value: number | null;
  /** Positions of the first and the last of its tokens, where it is more than one. */
  readonly span?: readonly [first: number, last: number];
  /** Struck through: it was masked. */
  readonly struck?: boolean;
}

export interface HeatData {
  readonly name: string;
  readonly title: string;
  readonly note: string;
  /** What each of the tokens is, where they are words or sentences. */
  readonly unit?: string;
  readonly tokens: readonly HeatToken[];
  /** What of a long running text is folded away, in order. */
  readonly folds?: readonly Folded[];
  /** Texts of the wrong and the right token. */
  readonly target: string;
  readonly contrast: string;
}

/** Pixels of a letter and of a line, and letters of a line. */
const LETTER = 7.85;
const LINE = 20;
const COLUMNS = 96;
const LEFT = 10;
/** A line whose tokens all have less is left out, when there are many. */
const FAINT = 0.05;
const MANY_LINES = 30;

interface Piece {
  readonly text: string;
  readonly token: HeatToken;
  readonly column: number;
}

const lettersOf = (text: string): number => [...text].length;

/** Tokens in lines: a line ends at the text's own line ends, and where it is full. */
function linesOf(tokens: readonly HeatToken[]): readonly (readonly Piece[])[] {
  const lines: Piece[][] = [[]];
  let column = 0;
  const open = () => {
    lines.push([]);
    column = 0;
  };
  for (const token of tokens) {
    for (const part of token.text.split(/(?<=\n)/)) {
      let shown = tokenPieces(part).map(({ text, mark }) => mark ?? text).join("");
      if (column > 0 && column + lettersOf(shown) > COLUMNS) open();
      for (; lettersOf(shown) > COLUMNS; shown = [...shown].slice(COLUMNS).join("")) {
        lines.at(-1)!.push({ text: [...shown].slice(0, COLUMNS).join(""), token, column });
        open();
      }
      lines.at(-1)!.push({ text: shown, token, column });
      column += lettersOf(shown);
      if (part.endsWith("\n")) open();
    }
  }
  return lines.filter((line, at) => line.length > 0 || at < lines.length - 1);
}

function Shown({ piece: { text, token, column }, y }: { readonly piece: Piece; readonly y: number }) {
  const paint = usePaint();
  const [x, width] = [px(LEFT + column * LETTER), px(lettersOf(text) * LETTER)];
  const colours = token.value === null ? null : paint(token.value);
  return (
    <>
      {colours === null
        ? null
        : <rect x={x} y={y - 14} width={width} height={18} style={`fill:${colours.background}`} />}
      {token.segment === "instruction" ? <rect x={x} y={y + 3} width={width} height={1.5} /> : null}
      <text
        class={colours === null ? "letters quiet" : "letters"}
        x={x}
        y={y}
        textLength={width}
        xml:space="preserve"
        {...colours === null ? {} : { style: `fill:${colours.ink}` }}
      >
        {text}
        <title>{`${shownToken(token.text)} ${fixed(token.raw, 3)} logits, ${token.segment}`}</title>
      </text>
      {token.struck
        ? (
          <rect
            x={x}
            y={y - 6}
            width={width}
            height={2}
            {...colours === null ? {} : { style: `fill:${colours.ink}` }}
          />
        )
        : null}
    </>
  );
}

/** The wrong and the right token in their boxes. */
function Ends({ boxes, x, y }: {
  readonly boxes: readonly (readonly [text: string, side: "red" | "blue"])[];
  readonly x: number;
  readonly y: number;
}) {
  let at = x;
  return (
    <>
      {boxes.map(([text, side]) => {
        const width = LETTER * (lettersOf(text) + 1);
        const left = at;
        at += width + 8;
        return (
          <g key={side}>
            <rect class={`box ${side}`} x={px(left)} y={y - 14} width={px(width)} height={18} />
            <text class="letters" x={px(left + LETTER / 2)} y={y}>{text}</text>
          </g>
        );
      })}
    </>
  );
}

/** The numbers behind the picture; words and sentences with the positions of their tokens. */
function tableOf(unit: string, tokens: readonly HeatToken[]): Table {
  const places = unit === "token" ? ["position"] : ["first token", "last token"];
  return {
    columns: [...places, unit, "segment", "relevance in logits", "normalised relevance"],
    rows: tokens.map(({ text, segment, raw, value, span }, position) => [
      ...(unit === "token" ? [position] : span ?? [position, position]),
      text,
      segment,
      raw,
      value,
    ]),
  };
}

/** Long stretches in which nothing stands out are left out and counted. */
export function heatPicture({ name, title, note, unit = "token", tokens, target, contrast }: HeatData): Drawing {
  const lines = linesOf(tokens);
  const strength = (line: readonly Piece[]) =>
    line.reduce((most, { token }) => Math.max(most, Math.abs(token.value ?? 0)), 0);
  const keep = (line: readonly Piece[], at: number) =>
    lines.length <= MANY_LINES || strength(line) >= FAINT || at >= lines.length - 3;
  const content = [];
  let [y, hidden] = [24, 0];
  for (const [at, line] of lines.entries()) {
    if (!keep(line, at)) {
      hidden++;
      continue;
    }
    if (hidden > 0) {
      content.push(
        <text key={`hidden ${at}`} class="quiet" x={LEFT} y={y}>
          {`⋮ ${hidden} lines in which no token reaches ${FAINT} of the largest`}
        </text>,
      );
      [y, hidden] = [y + LINE, 0];
    }
    content.push(line.map((piece, index) => <Shown key={`${at} ${index}`} piece={piece} y={y} />));
    y += LINE;
  }
  const boxes = [[shownToken(target), "red"], [shownToken(contrast), "blue"]] as const;
  const end = lines.at(-1)?.at(-1);
  const x = LEFT + LETTER * ((end?.column ?? 0) + lettersOf(end?.text ?? "") + 1);
  const broken = x + LETTER * (boxes.reduce((sum, [text]) => sum + lettersOf(text), 0) + 6) > COLUMNS * LETTER;
  return {
    name,
    title,
    note,
    width: COLUMNS * LETTER + 2 * LEFT,
    height: y + (broken ? 12 : -8),
    content: (
      <>
        {content}
        <Ends boxes={boxes} x={broken ? LEFT : x} y={broken ? y : y - LINE} />
      </>
    ),
    table: tableOf(unit, tokens),
  };
}
