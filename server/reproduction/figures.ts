/** The document's figures: those of the report, as SVG files that stand alone. */
import { heatPicture } from "../../figures/heat_picture.tsx";
import { svgFile } from "../../figures/markup.tsx";
import type { Drawing } from "../../figures/picture.tsx";
import { graphDrawing, heatData } from "../report/case_figures.tsx";
import { flipDrawings } from "../report/masking_figures.tsx";
import type { Report } from "../report/read_report.ts";
import { membersDrawing, scatterDrawing, segmentsDrawing } from "../report/study_figures.tsx";
import type { ReproductionStudy } from "./study.ts";

/** Figure files by name. */
export function figuresOf(study: ReproductionStudy, own: Report, parts: readonly Report[]): Map<string, string> {
  const drawings = new Map<string, Drawing>();
  own.examples.forEach((example, index) => drawings.set(`heatmap-${index + 1}`, heatPicture(heatData(example))));
  if (own.graph !== null) drawings.set("graph", graphDrawing(own.graph, own.rule));
  if (own.masking !== null) {
    for (const drawing of flipDrawings(own.masking, own.seed)) drawings.set(drawing.name, drawing);
  }
  parts.forEach(({ studyPart, seed }, index) => {
    const { series } = study.series[index]!;
    if (studyPart === null) return;
    drawings.set(`${series}-scatter`, scatterDrawing(studyPart));
    drawings.set(`${series}-segments`, segmentsDrawing(studyPart));
    drawings.set(`${series}-members`, membersDrawing(studyPart, seed));
  });
  return new Map([...drawings].map(([name, drawing]) => [`${name}.svg`, svgFile(drawing)]));
}
