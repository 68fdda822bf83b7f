/** The document's figures as SVG files that stand alone. */
import { paint } from "../report/case_figures.ts";
import { px } from "../report/chart.ts";
import { escape, fixed } from "../report/html.ts";
import type { Example } from "../report/read_report.ts";

const STYLE = "svg{background:#fff}text{font:12px system-ui,'DejaVu Sans',sans-serif;fill:#14171c}" +
  ".grid{stroke:#eceef1}.frame{fill:none;stroke:#9aa0a8}.mark{stroke:#9aa0a8;stroke-dasharray:4 4}.zero{stroke:#14171c}" +
  ".mono{font:13px ui-monospace,'DejaVu Sans Mono',monospace}";

/** The charts of a report's page by what they are called, each with its legend below. */
export function chartsOf(page: string): Map<string, string> {
  const found = page.matchAll(
    /<svg viewBox="0 0 ([\d.]+) ([\d.]+)"[^>]* aria-label="([^"]*)">([\s\S]*?)<\/svg>(<p class="legend">[\s\S]*?<\/p>)?/g,
  );
  return new Map([...found].map(([, width, height, label, content, key]) => {
    const entries = [...(key ?? "").matchAll(/background:([^"]+)"><\/i>([^<]*)/g)];
    const below = entries.map(([, colour, text], index) => {
      const [x, y] = [12 + index % 2 * 310, Number(height) + 14 + Math.floor(index / 2) * 18];
      return `<rect x="${x}" y="${y - 10}" width="11" height="11" fill="${colour}"/><text x="${
        x + 17
      }" y="${y}">${text}</text>`;
    }).join("");
    const whole = Number(height) + Math.ceil(entries.length / 2) * 18 + (entries.length > 0 ? 8 : 0);
    return [label!, alone(Math.max(Number(width), entries.length > 0 ? 640 : 0), whole, content! + below, label!)];
  }));
}

const alone = (width: number, height: number, content: string, label: string): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${px(width)} ${px(height)}" width="${px(width)}" ` +
  `height="${px(height)}" role="img" aria-label="${label}"><style>${STYLE}</style>` +
  `<rect width="100%" height="100%" fill="#fff"/>${content}</svg>\n`;

/** Pixels of a character, and of a line. */
const [CHARACTER, LINE, COLUMNS] = [7.85, 20, 96];
/** A line whose tokens all have less is left out, when there are many. */
const FAINT = 0.05;
const MANY_LINES = 30;

interface Piece {
  readonly text: string;
  readonly token: number;
  readonly column: number;
}

/** Relevance token by token; long stretches in which nothing stands out are left out and counted. */
export function heatmap({ label, tokens, segments, relevance, target, contrast }: Example): string {
  const lines: Piece[][] = [[]];
  let column = 0;
  const open = () => {
    lines.push([]);
    column = 0;
  };
  tokens.forEach((text, token) => {
    text.split(/(?<=\n)/).forEach((part) => {
      const shown = part.replaceAll("\n", "⏎");
      if (column + shown.length > COLUMNS) open();
      lines.at(-1)!.push({ text: shown, token, column });
      column += shown.length;
      if (part.endsWith("\n")) open();
    });
  });
  const strength = (line: readonly Piece[]) =>
    Math.max(0, ...line.map(({ token }) => segments[token] === "S" ? 0 : Math.abs(relevance[token]!)));
  const keep = (line: readonly Piece[], at: number) =>
    lines.length <= MANY_LINES || strength(line) >= FAINT || at >= lines.length - 3;
  let [y, hidden] = [24, 0];
  let drawn = "";
  const tellHidden = () => {
    if (hidden === 0) return;
    drawn += `<text x="10" y="${y}" fill-opacity="0.6">⋮ ${hidden} lines in which no token reaches ${FAINT}</text>`;
    [y, hidden] = [y + LINE, 0];
  };
  lines.forEach((line, at) => {
    if (!keep(line, at)) {
      hidden++;
      return;
    }
    tellHidden();
    drawn += line.map((piece) => drawPiece(piece, y, segments[piece.token]!, relevance[piece.token]!)).join("");
    y += LINE;
  });
  const end = lines.at(-1)!.at(-1);
  const x = 10 + CHARACTER * ((end?.column ?? 0) + (end?.text.length ?? 0) + 1);
  const visible = (token: string) => token.replaceAll("\n", "⏎").replaceAll(" ", "␣");
  const boxes = [[visible(target), "#b2182b"], [visible(contrast), "#2166ac"]] as const;
  const below = x + CHARACTER * (target.length + contrast.length + 6) > 780;
  let at = below ? 10 : x;
  const line = below ? y : y - LINE;
  for (const [text, colour] of boxes) {
    const width = CHARACTER * (text.length + 1);
    drawn += `<rect x="${px(at)}" y="${line - 14}" width="${px(width)}" height="18" fill="none" stroke="${colour}" ` +
      `stroke-width="2"/><text class="mono" x="${px(at + CHARACTER / 2)}" y="${line}">${escape(text)}</text>`;
    at += width + 8;
  }
  return alone(COLUMNS * CHARACTER + 20, y + (below ? 12 : -8), drawn, escape(label));
}

function drawPiece({ text, column }: Piece, y: number, segment: string, value: number): string {
  const [x, width] = [10 + column * CHARACTER, text.length * CHARACTER];
  const special = segment === "S";
  const { background, ink } = paint(value);
  return (special ? "" : `<rect x="${px(x)}" y="${y - 14}" width="${px(width)}" height="18" fill="${background}"/>`) +
    (segment === "I" ? `<rect x="${px(x)}" y="${y + 3}" width="${px(width)}" height="1.5"/>` : "") +
    `<text class="mono" x="${px(x)}" y="${y}" textLength="${px(width)}" xml:space="preserve" ` +
    `style="fill:${special ? "#8a8f98" : ink}">${escape(text)}<title>${escape(text)} ${fixed(value, 3)}</title></text>`;
}
