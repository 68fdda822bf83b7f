/** The numbers of the reproduction, read from the database: what the document is written from, and what --check compares. */
import type { Database } from "../../schema/tables/database.ts";
import { type PaperNumbers, paperNumbers, sinkShares } from "../paper/numbers.ts";
import type { Report } from "../report/read_report.ts";
import type { StudySummary } from "../studies/summary.ts";
import type { ReproductionStudy } from "./study.ts";

export const NUMBERS_FORMAT = "culprit-reproduction/1";

export interface SeriesNumbers {
  readonly series: string;
  readonly kind: string;
  readonly cases: string;
  readonly summary: StudySummary;
}

export interface ReproductionNumbers extends PaperNumbers {
  readonly format: typeof NUMBERS_FORMAT;
  readonly study: ReproductionStudy;
  readonly series: readonly SeriesNumbers[];
}

/** `tables`: the report on the model's own pairs; `parts`: reports that show the studies of the series, in their order. */
export async function numbersOf(
  db: Database,
  study: ReproductionStudy,
  tables: Report,
  parts: readonly Report[],
): Promise<ReproductionNumbers> {
  return {
    format: NUMBERS_FORMAT,
    study,
    ...paperNumbers(study.model, tables, await sinkShares(db, study.model)),
    series: parts.map(({ studyPart }, index) => {
      const { series, cases } = study.series[index]!;
      if (studyPart === null) throw new Error(`There is no study of ${series}`);
      return { series, kind: studyPart.study.kind, cases, summary: studyPart.summary };
    }),
  };
}
