/** The document's figures: those of the report, as SVG files that stand alone. */
import { paperDrawings, svgFiles } from "../paper/figures.ts";
import type { Report } from "../report/read_report.ts";
import { membersDrawing, scatterDrawing, segmentsDrawing } from "../report/study_figures.tsx";
import type { ReproductionStudy } from "./study.ts";

/** Figure files by name. */
export function figuresOf(study: ReproductionStudy, own: Report, parts: readonly Report[]): Map<string, string> {
  const drawings = paperDrawings(own);
  parts.forEach(({ studyPart, seed }, index) => {
    const { series } = study.series[index]!;
    if (studyPart === null) return;
    drawings.set(`${series}-scatter`, scatterDrawing(studyPart));
    drawings.set(`${series}-segments`, segmentsDrawing(studyPart));
    drawings.set(`${series}-members`, membersDrawing(studyPart, seed));
  });
  return svgFiles(drawings);
}
