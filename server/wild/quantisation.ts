/** What studies of the model's quantised files say (docs/studies.md, Quantisation), where such studies were run. */
import { eq } from "drizzle-orm";
import { modelSeries, studies } from "../../schema/tables/analysis_tables.ts";
import type { Database } from "../../schema/tables/database.ts";
import { models } from "../../schema/tables/tables.ts";
import type { Interval } from "../base/statistics/bootstrap.ts";
import { fixed, table } from "../paper/markdown.ts";
import { readMovements } from "../studies/movement.ts";
import { readStudy, readStudySummary } from "../studies/numbers.ts";
import type { StudyVerdict } from "../studies/summary.ts";

/** A file of a series beside the first one. */
export interface QuantisedRow {
  readonly series: string;
  readonly label: string;
  /** Pairs that both files have. */
  readonly pairs: number;
  readonly delta: Interval | null;
  /** What becomes of the first file's failures; null for the first file. */
  readonly counts: Readonly<Record<StudyVerdict, number>> | null;
  /** Mean part of |relevance| that lies elsewhere than in the first file; null for the first file. */
  readonly moved: Interval | null;
}

/** One row for each file of each series of quantised files that the model belongs to. */
export async function readQuantised(db: Database, model: string, seed: number): Promise<QuantisedRow[]> {
  const [own] = await db.select({ id: models.id }).from(models).where(eq(models.name, model));
  const found = await db.select({ id: studies.id }).from(studies)
    .innerJoin(modelSeries, eq(modelSeries.id, studies.seriesId))
    .where(eq(modelSeries.kind, "quantisation")).orderBy(studies.id);
  const rows: QuantisedRow[] = [];
  for (const { id } of found) {
    const study = (await readStudy(db, eq(studies.id, id)))!;
    if (!study.members.some(({ modelId }) => modelId === own?.id)) continue;
    const { members } = await readStudySummary(db, study, { x: undefined, y: undefined, seed });
    const movements = await readMovements(db, study, { from: undefined, seed });
    for (const { label, attributed, delta } of members) {
      const movement = movements.find((one) => one.label === label);
      rows.push({
        series: study.series,
        label,
        pairs: movement?.pairs ?? attributed,
        delta,
        counts: movement?.counts ?? null,
        moved: movement?.moved ?? null,
      });
    }
  }
  return rows;
}

/** Section "Quantisation". */
export function quantisationPart(rows: readonly QuantisedRow[]): string {
  const interval = (value: Interval | null, digits: number) =>
    value === null ? "–" : `${fixed(value.value, digits)} [${fixed(value.low, digits)}, ${fixed(value.high, digits)}]`;
  return `## Quantisation

The same pairs on the same weights stored in other forms ([studies.md](studies.md)); the first file is the one that
failed. A failure that another file corrects (delta from above 1 to below -1) would be the first file's own. Moved: the
part of |relevance| that lies on other tokens, or under the other sign.

${
    rows.length === 0 ? "*No study of quantised files was run.*" : table(
      ["file", "pairs", "mean delta [95 %]", "corrected", "not corrected", "undecided", "moved [95 %]"],
      rows.map(({ label, pairs, delta, counts, moved }) => [
        label,
        String(pairs),
        interval(delta, 2),
        ...(counts === null ? ["–", "–", "–"] : [counts.corrected, counts.not_corrected, counts.undecided].map(String)),
        interval(moved, 3),
      ]),
    )
  }`;
}
