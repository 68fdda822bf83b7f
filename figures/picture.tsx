/** @jsxImportSource preact */
/** A figure as SVG: on a page, or as a file that stands alone. */
import { type ComponentChildren, createContext } from "preact";
import { useContext } from "preact/hooks";
import { cssPaint, type Paint, paint } from "./colour.ts";
import { figureStyle, type Setting } from "./style.ts";
import type { Table } from "./table.ts";
import { wrap } from "./text_width.ts";

/** What a figure function makes of its data. Everything else (page, report, files) shows it. */
export interface Drawing {
  /** Name of its files, without an ending. */
  readonly name: string;
  /** What it shows, for readers who do not see it. */
  readonly title: string;
  /** How what is shown was selected, and what marks mean; stands below the picture. */
  readonly note: string;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** SVG elements. */
  readonly content: ComponentChildren;
  /** The numbers behind it. */
  readonly table: Table;
  /** Whether marks lead somewhere: then it is no mere image to those who walk through it by keys. */
  readonly links?: boolean;
}

const Inside = createContext<Setting>("page");

/** Background and ink of a relevance from -1 to 1 where the figure is shown. */
export function usePaint(): (value: number) => Paint {
  const setting = useContext(Inside);
  return setting === "page" ? cssPaint : (value) => paint(value, setting);
}

/** Leads somewhere on a page; in a file, where it would lead nowhere, only what it holds. */
export function Link(
  props: { readonly to: string | undefined; readonly title: string; readonly children: ComponentChildren },
) {
  const content = [<title key="title">{props.title}</title>, props.children];
  return useContext(Inside) === "page" && props.to !== undefined
    ? <a href={props.to} aria-label={props.title}>{content}</a>
    : <g>{content}</g>;
}

/** A drawing on a page; its style sheet is `figureStyle("page")`. */
export function Picture({ drawing: { title, width, height, content, links } }: { readonly drawing: Drawing }) {
  return (
    <svg
      class="drawing"
      viewBox={`0 0 ${width} ${height}`}
      style={`max-width:${width}px`}
      role={links === true ? "group" : "img"}
      aria-label={title}
    >
      {content}
    </svg>
  );
}

const NOTE = { size: 11, line: 15, edge: 12 } as const;

/** A drawing as a file of one theme: with its style sheet, its paper and its note. */
export function PictureFile(
  { drawing, setting }: { readonly drawing: Drawing; readonly setting: Exclude<Setting, "page"> },
) {
  const { title, note, width, height, content } = drawing;
  const lines = note === "" ? [] : wrap(note, NOTE.size, width - 2 * NOTE.edge);
  const whole = height + (lines.length === 0 ? 0 : lines.length * NOTE.line + NOTE.edge);
  return (
    <svg
      xmlns="http://www.w3.org/2000/svg"
      class="drawing"
      viewBox={`0 0 ${width} ${whole}`}
      width={width}
      height={whole}
      role="img"
      aria-label={title}
    >
      <style>{figureStyle(setting)}</style>
      <rect class="paper" width="100%" height="100%" />
      <Inside.Provider value={setting}>{content}</Inside.Provider>
      {lines.map((line, index) => (
        <text key={index} class="quiet" x={NOTE.edge} y={height + (index + 1) * NOTE.line} font-size={NOTE.size}>
          {line}
        </text>
      ))}
    </svg>
  );
}

/** Markup of a file without the characters that XML forbids. */
export function validXml(markup: string): string {
  // deno-lint-ignore no-control-regex
  return markup.replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd").toWellFormed();
}

/** Pixels with a tenth. */
export const px = (value: number): number => Math.round(value * 10) / 10;
