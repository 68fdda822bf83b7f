/** Figures as SVG: ticks of the scale, labels that do not touch, files that stand alone, numbers behind them. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { curves, spread } from "./curves.tsx";
import { heatPicture } from "./heat_picture.tsx";
import { intervalLines } from "./interval_line.tsx";
import { svgFile } from "./markup.tsx";
import type { Drawing } from "./picture.tsx";
import { ends, numberTicks } from "./plane.tsx";
import { reducedGraph } from "./reduced_graph.tsx";
import { scatter } from "./scatter.tsx";
import { segmentBars } from "./segment_bars.tsx";
import { studySelection } from "./selection_words.ts";
import { csv } from "./table.ts";
import { traceFigure } from "./trace.tsx";
import { cut, textWidth, wrap } from "./text_width.ts";

const HOSTILE = `</text><script>alert("x")</script>`;

const points = [[2, -3], [4, 5], [0.5, 0]].map(([x, y], index) => ({
  key: `case/${index} ${HOSTILE}`,
  target: " a\n",
  contrast: "=b",
  x: x!,
  y: y!,
  verdict: (["corrected", "not corrected", "undecided"] as const)[index]!,
  to: `#/case/${index}`,
}));
const DRAWINGS: readonly Drawing[] = [
  scatter({
    name: "s",
    x: "0.6B",
    y: "4B",
    points,
    counts: { corrected: 1, "not corrected": 1, undecided: 1 },
    note: studySelection(3, [{ model: "0.6B", pairs: 3, clear: 2 }]),
  }),
  intervalLines({
    name: "i",
    title: "Means",
    note: "",
    across: { label: "size", names: ["small", "large"] },
    up: { label: "mean delta" },
    lines: [{ label: HOSTILE, values: [{ value: 1, low: 0.5, high: 1.5 }, null] }, {
      label: "b",
      values: [null, null],
    }],
  }),
  segmentBars({
    name: "b",
    title: "Bars",
    note: "",
    across: "member",
    groups: [{ label: "small", count: 3, means: { instruction: -1, query: { value: 2, low: 1, high: 3 } } }],
  }),
  curves({
    name: "c",
    title: "Curves",
    note: "",
    across: "tokens masked",
    up: { label: "delta" },
    curves: [{
      label: "AttnLRP",
      series: 0,
      points: [[0, 3], [1, -1]],
      mark: { across: 1, text: "gone" },
    }],
  }),
  heatPicture({
    name: "h",
    title: "Heat",
    note: "",
    tokens: [
      { text: "Hi <b>\n", segment: "instruction", raw: 2, value: 1 },
      { text: "\u0007", segment: "special", raw: 9, value: null },
      { text: "x".repeat(300), segment: "query", raw: -1, value: -0.5 },
    ],
    target: " no",
    contrast: "\u0000",
  }),
  reducedGraph({
    name: "g",
    note: "",
    graph: {
      nodes: [{ layer: 0, token: 1, relevance: 1 }, { layer: 2, token: 1, relevance: -2 }],
      edges: [{ source: { layer: 0, token: 1 }, target: { layer: 2, token: 1 }, weight: -2, paths: 1 }],
    },
    tokens: ["a", HOSTILE],
    nodeLayers: [0, 2],
  }),
  traceFigure({
    name: "t",
    rule: "attnlrp",
    what: HOSTILE,
    trace: {
      sentences: [{ text: HOSTILE, weight: 0.6, signedWeight: -0.2 }, { text: "b", weight: 0, signedWeight: 0 }],
      steps: [{ text: "c", kind: "line", weight: 0.7, signedWeight: 0.5, lost: 0.1 }],
      error: { text: " 5 instead of 4", lost: 0.3 },
      flows: [{ row: null, column: 2, share: 0.7, signed: 0.5 }, { row: 0, column: 0, share: 0.6, signed: -0.2 }, {
        row: 0,
        column: 1,
        share: 0.001,
        signed: 0,
      }],
    },
  }),
];

describe.each(DRAWINGS)("$title", (drawing) => {
  test.each(["light", "dark"] as const)("a file of one theme that stands alone: %s", (theme) => {
    const svg = svgFile(drawing, theme);
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"[^>]* width="[\d.]+" height="[\d.]+"/);
    expect(svg).not.toContain(HOSTILE);
    expect(svg).not.toMatch(/light-dark|href|<script|url\(|NaN|undefined|Infinity/);
    // deno-lint-ignore no-control-regex
    expect(svg).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/);
    expect(svgFile(drawing, theme)).toBe(svg);
  });

  test("each row of its numbers has a value for each column", () => {
    const { columns, rows } = drawing.table;
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows) expect(row.length).toBe(columns.length);
  });
});

/** Classes that colour text the same in figures and on the page. */
const SHARED = ["quiet", "red", "blue"];

test("no rule of the page is for a class of the figures: the page's bars are no bars of a chart", () => {
  const drawn = new Set(
    DRAWINGS.flatMap((drawing) =>
      [...svgFile(drawing).matchAll(/ class="([^"]*)"/g)].flatMap(([, names]) => names!.split(" "))
    ),
  );
  expect(drawn).toContain("column");
  const folder = new URL("../web/src/", import.meta.url);
  const sheets = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".css"));
  expect(sheets.length).toBeGreaterThan(5);
  // `.job .line` and its like are about elements of their own.
  const rules = sheets.flatMap((name) =>
    [...readFileSync(new URL(name, folder), "utf8").matchAll(/^\s*\.([\w-]+)[^{}]*\{/gm)].map(([, first]) => first!)
  );
  expect([...drawn].filter((name) => rules.includes(name) && name !== "drawing" && !SHARED.includes(name))).toEqual([]);
});

test("the file of a plot says how its pairs were selected", () => {
  const words = [...svgFile(DRAWINGS[0]!).matchAll(/<text class="quiet"[^>]*>([^<]*)</g)].map(([, line]) => line).join(
    " ",
  );
  expect(words).toBe(
    "Selected: 3 failures of 0.6B, 2 of them with delta above 1 there; on other members they lie lower by that choice alone.",
  );
});

test("ticks are those of the scale: round, and at the ends where these are nice", () => {
  expect(numberTicks({ label: "", low: -0.4, high: 1.1 }, 5)).toEqual({
    domain: [-0.5, 1.5],
    ticks: [[-0.5, "−0.5"], [0, "0.0"], [0.5, "0.5"], [1, "1.0"], [1.5, "1.5"]].map(([at, text]) => ({ at, text })),
  });
  expect(numberTicks({ label: "", low: 0, high: 3, nice: false, whole: true }, 8).ticks.map(({ text }) => text))
    .toEqual(["0", "1", "2", "3"]);
  expect(ends([2, 2])).toEqual({ low: 1, high: 3 });
  expect(ends([])).toEqual({ low: 0, high: 1 });
});

/** Boxes of an axis' labels in a row; turned ones by their line. */
function labelsOf(names: readonly string[]) {
  const svg = svgFile(segmentBars({
    name: "b",
    title: "",
    note: "",
    across: "",
    groups: names.map((label) => ({ label, count: 1, means: { query: 1 } })),
  }));
  const row = [...svg.matchAll(/<text class="tick" x="([\d.]+)" y="[\d.]+" text-anchor="middle">([^<]*)</g)]
    .map(([, x, text]) => ({ x: Number(x), text: text! }));
  const turned = [
    ...svg.matchAll(/<text class="tick" transform="translate\(([\d.]+) ([\d.]+)\) rotate\(-(\d+)\)"[^>]*>([^<]*)</g),
  ]
    .map(([, x, , turn, text]) => ({ x: Number(x), turn: Number(turn) * Math.PI / 180, text: text! }));
  return { row, turned };
}

test.each([[2, "0.6B"], [4, "a longer name of it"], [10, "SFT 1100"], [30, "SFT 1100, not corrected"], [
  90,
  "SFT 1100",
]])(
  "no label of %i names like %s touches another, none leaves the picture",
  (count, name) => {
    const { row, turned } = labelsOf(Array.from({ length: count }, (_, index) => `${name} ${index}`));
    expect(row.length + turned.length).toBeGreaterThan(Math.min(count, 20) - 1);
    for (const [index, { x, text }] of row.entries()) {
      const next = row[index + 1];
      if (next) expect(x + textWidth(text, 12) / 2).toBeLessThan(next.x - textWidth(next.text, 12) / 2);
    }
    for (const [index, { x, turn, text }] of turned.entries()) {
      expect(x - textWidth(text, 12) * Math.cos(turn)).toBeGreaterThanOrEqual(0);
      const next = turned[index + 1];
      if (next) expect((next.x - x) * Math.sin(turn)).toBeGreaterThan(12);
    }
  },
);

test("names at the ends of curves keep a line's distance and stay inside", () => {
  expect(spread([50, 50, 50], 0, 300)).toEqual([50, 65, 80]);
  expect(spread([290, 295, 10], 0, 300)).toEqual([285, 300, 10]);
});

test("texts are cut and wrapped by the pixels they take", () => {
  expect(cut("short", 12, 100)).toBe("short");
  const long = cut("a very long label of something", 12, 100);
  expect(long).toMatch(/^a very .*…$/);
  expect(textWidth(long, 12)).toBeLessThanOrEqual(100);
  expect(textWidth("漢字", 12)).toBeGreaterThan(24);
  expect(wrap("one two three", 12, 50).join(" ")).toBe("one two three");
});

test("comma-separated values: quotes, line ends, and no formulas", () => {
  expect(csv({ columns: ["a", "b"], rows: [['x"y', 1.5], ["=1+1", null], ["two\nlines", -2], ["-1", true]] })).toBe(
    'a,b\r\n"x""y",1.5\r\n\'=1+1,\r\n"two\nlines",-2\r\n\'-1,true\r\n',
  );
});
