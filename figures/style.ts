/** The colours of figures, and their style sheet: of a page in both themes, or of a file in one. */
import type { Theme } from "./colour.ts";

/** Light and dark. Red and blue are kept for the wrong and the right token. */
const COLOURS = {
  ink: ["#14171c", "#e8eaee"],
  quiet: ["#565f6b", "#a0a9b6"],
  paper: ["#ffffff", "#16191f"],
  grid: ["#e6e9ed", "#2a3038"],
  frame: ["#868f9b", "#6d7684"],
  red: ["#b2182b", "#ff8d78"],
  blue: ["#1f5f9f", "#7dbcff"],
  // Told apart by most people who see colours otherwise (after Okabe and Ito, 2008), 3 to 1 at least on the paper.
  green: ["#00805c", "#33c49a"],
  amber: ["#a86d00", "#f0b429"],
  pink: ["#b5548a", "#e391bd"],
} as const;
type Colour = keyof typeof COLOURS;

/** Colours of lines and bars in the order in which they are taken; dashes tell lines apart too. */
const SERIES: readonly Colour[] = ["ink", "green", "amber", "pink", "quiet"];
const DASHES = ["none", "7 3", "2 3", "10 3 2 3", "1 4"] as const;

/** Class of the line or bar with an index. */
export const seriesClass = (index: number): string => `series-${index % (SERIES.length * DASHES.length)}`;

/** Where a figure is shown: on a page that follows the reader's theme, or in a file of one theme. */
export type Setting = Theme | "page";

function colourOf(colour: Colour, setting: Setting): string {
  const [light, dark] = COLOURS[colour];
  return setting === "page" ? `light-dark(${light}, ${dark})` : setting === "light" ? light : dark;
}

const seriesRules = (of: (colour: Colour) => string): string =>
  Array.from({ length: SERIES.length * DASHES.length }, (_, index) => {
    const colour = of(SERIES[index % SERIES.length]!);
    const dash = DASHES[(index + Math.floor(index / SERIES.length)) % DASHES.length]!;
    return `.drawing .series-${index}{stroke:${colour};stroke-dasharray:${dash}}` +
      `.drawing .dot.series-${index}{fill:${colour};stroke:none}` +
      `.drawing .column.series-${index}{fill:${colour};stroke:none}`;
  }).join("\n");

/** Rules for everything that is drawn; all of them begin with `.drawing`, the class of each figure. */
export function figureStyle(setting: Setting): string {
  const of = (colour: Colour) => colourOf(colour, setting);
  return `.drawing{font:12px system-ui,"DejaVu Sans",sans-serif;fill:${of("ink")}}
.drawing .paper{fill:${of("paper")}}
.drawing .grid{stroke:${of("grid")}}
.drawing .frame{fill:none;stroke:${of("frame")}}
.drawing .zero,.drawing .whisker{stroke:${of("ink")}}
.drawing .bound{stroke:${of("frame")};stroke-dasharray:4 4}
.drawing .quiet{fill:${of("quiet")}}
.drawing .red{fill:${of("red")}}
.drawing .blue{fill:${of("blue")}}
.drawing .edge{stroke:${of("frame")}}
.drawing .edge.red{stroke:${of("red")}}
.drawing .edge.blue{stroke:${of("blue")}}
.drawing .neither{fill:none;stroke:${of("quiet")};stroke-width:1.5}
.drawing .outline{stroke:${of("frame")}}
.drawing .line{fill:none;stroke-width:1.75}
.drawing .flip{fill:${of("paper")};stroke:${of("ink")};stroke-width:1.75}
.drawing .letters{font:13px ui-monospace,"DejaVu Sans Mono",monospace;white-space:pre}
.drawing .box{fill:none;stroke-width:2}
.drawing .box.red{fill:none;stroke:${of("red")}}
.drawing .box.blue{fill:none;stroke:${of("blue")}}
${seriesRules(of)}`;
}
