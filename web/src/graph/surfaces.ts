/// <reference lib="dom" />
/** The two surfaces that a graph is drawn on. */
import { paint, type Theme } from "../../../figures/colour.ts";
import type { Size } from "./camera.ts";
import type { Pen, Surface } from "./picture.ts";

const INK: Record<
  Theme,
  { readonly red: string; readonly blue: string; readonly text: string; readonly paper: string }
> = {
  light: { red: "#b2182b", blue: "#1f5f9f", text: "#14171c", paper: "#ffffff" },
  dark: { red: "#ff8d78", blue: "#7dbcff", text: "#e8eaee", paper: "#16191f" },
};
const FONT = 11;

/** A canvas of a theme; clears it first. `scale` is device pixels a CSS pixel. */
export function canvasSurface(context: CanvasRenderingContext2D, size: Size, theme: Theme, scale: number): Surface {
  const ink = INK[theme];
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.fillStyle = ink.paper;
  context.fillRect(0, 0, size.width, size.height);
  context.font = `${FONT}px system-ui, sans-serif`;
  return {
    curves(side, width, opacity, draw) {
      context.globalAlpha = opacity;
      context.strokeStyle = ink[side];
      context.lineWidth = width;
      context.beginPath();
      draw(context);
      context.stroke();
      context.globalAlpha = 1;
    },
    node(x, y, radius, value, marked) {
      context.beginPath();
      context.arc(x, y, marked ? radius + 3 : radius, 0, 2 * Math.PI);
      context.fillStyle = paint(value, theme).background;
      context.fill();
      context.lineWidth = marked ? 2.5 : 0.75;
      context.strokeStyle = ink.text;
      context.stroke();
    },
    text(x, y, text, anchor, degrees) {
      context.save();
      context.translate(x, y);
      context.rotate(degrees * Math.PI / 180);
      context.textAlign = anchor;
      context.fillStyle = ink.text;
      context.fillText(text, 0, 0);
      context.restore();
    },
  };
}

const escape = (text: string) =>
  text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`).replace(/\p{Cc}/gu, "");

/** Collects an SVG document; `end` gives it. */
export function svgSurface(size: Size, theme: Theme): Surface & { readonly end: () => string } {
  const ink = INK[theme];
  const parts: string[] = [];
  const round = (value: number) => String(Math.round(value * 10) / 10);
  return {
    curves(side, width, opacity, draw) {
      let path = "";
      const pen: Pen = {
        moveTo: (x, y) => path += `M${round(x)} ${round(y)}`,
        bezierCurveTo: (...points) => path += `C${points.map(round).join(" ")}`,
      };
      draw(pen);
      parts.push(
        `<path d="${path}" fill="none" stroke="${ink[side]}" stroke-width="${width.toFixed(2)}" ` +
          `stroke-opacity="${opacity.toFixed(2)}"/>`,
      );
    },
    node(x, y, radius, value, marked) {
      parts.push(
        `<circle cx="${round(x)}" cy="${round(y)}" r="${round(marked ? radius + 3 : radius)}" ` +
          `fill="${paint(value, theme).background}" stroke="${ink.text}" stroke-width="${marked ? 2.5 : 0.75}"/>`,
      );
    },
    text(x, y, text, anchor, degrees) {
      const turn = degrees === 0 ? "" : ` transform="rotate(${degrees} ${round(x)} ${round(y)})"`;
      parts.push(`<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}"${turn}>${escape(text)}</text>`);
    },
    end: () =>
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" width="${size.width}" ` +
      `height="${size.height}" font-family="system-ui, sans-serif" font-size="${FONT}" fill="${ink.text}">` +
      `<rect width="100%" height="100%" fill="${ink.paper}"/>${parts.join("\n")}</svg>\n`,
  };
}
