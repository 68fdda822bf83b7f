/** The figures of a report on one model, and figures as SVG files that stand alone. */
import { heatPicture } from "../../figures/heat_picture.tsx";
import { svgFile } from "../../figures/markup.tsx";
import type { Drawing } from "../../figures/picture.tsx";
import { graphDrawing, heatData } from "../report/case_figures.tsx";
import { flipDrawings } from "../report/masking_figures.tsx";
import type { Report } from "../report/read_report.ts";

/** Heatmaps, graph and flip rates by name, as far as the report has them. */
export function paperDrawings({ examples, graph, rule, masking, seed }: Report): Map<string, Drawing> {
  const drawings = new Map<string, Drawing>();
  examples.forEach((example, index) => drawings.set(`heatmap-${index + 1}`, heatPicture(heatData(example))));
  if (graph !== null) drawings.set("graph", graphDrawing(graph, rule));
  if (masking !== null) {
    for (const drawing of flipDrawings(masking, seed)) drawings.set(drawing.name, drawing);
  }
  return drawings;
}

/** SVG files by name. */
export function svgFiles(drawings: ReadonlyMap<string, Drawing>): Map<string, string> {
  return new Map([...drawings].map(([name, drawing]) => [`${name}.svg`, svgFile(drawing)]));
}
