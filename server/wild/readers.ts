/** What people said of a run's cases beside the classifier: labels that were imported (`import --from labels`). */
import type { LabelAgreementRow } from "../../schema/services/diagnoses.ts";
import type { Database } from "../../schema/tables/database.ts";
import { labelAgreement } from "../diagnosis/label_agreement.ts";
import { fixed, table } from "../paper/markdown.ts";

/** Agreement of each two who labelled a benchmark's failures; `one` null: the classifier. */
export interface ReadersRow extends LabelAgreementRow {
  /** Null: all of them together. */
  readonly benchmark: string | null;
}

/** Over all benchmarks together, then over each by itself, where anybody read anything. */
export async function readReaders(db: Database, benchmarks: readonly string[]): Promise<ReadersRow[]> {
  const rows: ReadersRow[] = [];
  for (const benchmark of [null, ...benchmarks]) {
    const found = await labelAgreement(db, { benchmark: benchmark ?? undefined, rule: "attnlrp" });
    rows.push(...found.map((row) => ({ ...row, benchmark })));
  }
  return rows;
}

/** Section "Readers". */
export function readersPart(rows: readonly ReadersRow[]): string {
  const agreement = ({ observed, kappa }: LabelAgreementRow["outcome"]) =>
    `${fixed(100 * observed, 0)} %, ${kappa === null ? "–" : fixed(kappa)}`;
  return `## Readers

Outcome and pattern as readers label them who saw prompt, answer, heatmap and graph, and nothing of the classifier
([labelling.md](labelling.md)). Of each two: the share of cases on which they agree, and Cohen's kappa (– where both
always say the same).

${
    rows.length === 0 ? "*Nobody has read these cases.*" : table(
      ["of", "one", "the other", "cases", "outcome", "pattern", "URT", "OIT"],
      rows.map(({ benchmark, one, other, pairs, outcome, pattern, urt, oit }) => [
        benchmark ?? "all",
        one ?? "classifier",
        other,
        String(pairs),
        agreement(outcome),
        agreement(pattern),
        agreement(urt),
        agreement(oit),
      ]),
    )
  }`;
}
