/**
 * The diverging colour scale of the heatmap: red supports the wrong token, blue the right one, paper is zero.
 * Lightness falls (light theme) or rises (dark theme) alike on both arms, so strength reads without hue.
 */

type Rgb = readonly [red: number, green: number, blue: number];

/** Stops at |value| = 0, 0.25, 0.5, 0.75, 1. The light arms are ColorBrewer's RdBu, safe for colour-blind readers. */
const ARMS = {
  light: {
    red: ["#ffffff", "#fddbc7", "#f4a582", "#d6604d", "#b2182b"],
    blue: ["#ffffff", "#d1e5f0", "#92c5de", "#4393c3", "#2166ac"],
  },
  dark: {
    red: ["#16191f", "#4f2026", "#8f2b30", "#d2483f", "#ff8d78"],
    blue: ["#16191f", "#15324f", "#1b5184", "#2f7fc4", "#7dbcff"],
  },
} as const;

export type Theme = keyof typeof ARMS;
export const THEMES: readonly Theme[] = ["light", "dark"];

/** The page's own ink, used where it reads well; elsewhere black or white, one of which always reaches 4.5. */
const INK = { light: "#14171c", dark: "#e8eaee" } as const;
const READABLE = 4.5;

export interface Paint {
  readonly background: string;
  /** The ink that reads best on the background. */
  readonly ink: string;
}

function parse(hex: string): Rgb {
  const number = Number.parseInt(hex.slice(1), 16);
  return [number >> 16 & 255, number >> 8 & 255, number & 255];
}

function format(rgb: Rgb): string {
  return `#${rgb.map((channel) => Math.round(channel).toString(16).padStart(2, "0")).join("")}`;
}

/** WCAG relative luminance, 0 to 1. */
function luminance(hex: string): number {
  const [red, green, blue] = parse(hex).map((channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** WCAG contrast ratio, 1 to 21. */
export function contrastRatio(first: string, second: string): number {
  const [low, high] = [luminance(first), luminance(second)].sort((a, b) => a - b) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

function inkOn(background: string, usual: string): string {
  if (contrastRatio(usual, background) >= READABLE) return usual;
  return contrastRatio("#000000", background) > contrastRatio("#ffffff", background) ? "#000000" : "#ffffff";
}

/** Colour of a value of -1 (supports the right token) to 1 (supports the wrong one); values beyond are clipped. */
export function paint(value: number, theme: Theme): Paint {
  const stops = ARMS[theme][value < 0 ? "blue" : "red"];
  const position = Math.min(1, Math.abs(value) || 0) * (stops.length - 1);
  const index = Math.min(stops.length - 2, Math.floor(position));
  const share = position - index;
  const [low, high] = [parse(stops[index] ?? stops[0]), parse(stops[index + 1] ?? stops[0])];
  const background = format([
    low[0] + (high[0] - low[0]) * share,
    low[1] + (high[1] - low[1]) * share,
    low[2] + (high[2] - low[2]) * share,
  ]);
  return { background, ink: inkOn(background, INK[theme]) };
}

/** The paint of both themes as CSS values; the browser picks one by the page's colour scheme. */
export function cssPaint(value: number): Paint {
  const [light, dark] = [paint(value, "light"), paint(value, "dark")];
  return {
    background: `light-dark(${light.background}, ${dark.background})`,
    ink: `light-dark(${light.ink}, ${dark.ink})`,
  };
}
