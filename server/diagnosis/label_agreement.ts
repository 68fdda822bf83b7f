/** How far readers agree with each other and with the classifier. */
import { and, eq, sql } from "drizzle-orm";
import { diagnoses, labels } from "../../schema/tables/analysis_tables.ts";
import type { Database } from "../../schema/tables/database.ts";
import type { LabelAgreementRequest, LabelAgreementRow } from "../../schema/services/diagnoses.ts";
import { attributions, failureCases, tokenPairs } from "../../schema/tables/tables.ts";
import { compareLabels, type Label } from "./labels.ts";

/** Labels and diagnoses that are compared: more than people write. */
const MAX_LABELS = 200_000;
/** Readers that are compared with each other. */
const MAX_READERS = 20;

/** What the classifier is called; readers of this name are told apart from it by `null`. */
const CLASSIFIER = null;

/** Agreement of each two readers, and of each reader with the classifier, over the pairs that both read. */
export async function labelAgreement(
  db: Database,
  { benchmark, rule }: LabelAgreementRequest,
): Promise<LabelAgreementRow[]> {
  const ofBenchmark = benchmark === undefined ? undefined : eq(failureCases.benchmark, benchmark);
  const written = await db.select({
    reader: labels.reader,
    pair: labels.tokenPairId,
    outcome: labels.outcome,
    pattern: labels.pattern,
  }).from(labels).innerJoin(tokenPairs, eq(tokenPairs.id, labels.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId)).where(ofBenchmark)
    .limit(MAX_LABELS);
  const classified = await db.select({
    pair: attributions.tokenPairId,
    outcome: diagnoses.outcome,
    pattern: diagnoses.pattern,
  }).from(diagnoses).innerJoin(attributions, eq(attributions.id, diagnoses.attributionId))
    .innerJoin(tokenPairs, eq(tokenPairs.id, attributions.tokenPairId))
    .innerJoin(
      failureCases,
      and(
        eq(failureCases.id, tokenPairs.failureCaseId),
        // The case's own model: a series' other members are not what readers saw.
        eq(failureCases.modelId, attributions.modelId),
      ),
    ).where(and(
      eq(attributions.rule, rule),
      sql`exists (select 1 from ${labels} where ${labels.tokenPairId} = ${attributions.tokenPairId})`,
      ofBenchmark,
    )).limit(MAX_LABELS);
  const rows = [...written, ...classified.map((row) => ({ ...row, reader: CLASSIFIER }))];
  const byReader = Map.groupBy(rows, ({ reader }): string | null => reader);
  const readers = [CLASSIFIER, ...[...byReader.keys()].filter((name) => name !== null).sort().slice(0, MAX_READERS)];
  const byPair = new Map(
    readers.map((name) => [name, new Map((byReader.get(name) ?? []).map((row): [number, Label] => [row.pair, row]))]),
  );
  return readers.flatMap((one, index) =>
    readers.slice(index + 1).flatMap((other): LabelAgreementRow[] => {
      const [mine, theirs] = [byPair.get(one)!, byPair.get(other)!];
      const common = [...mine].flatMap(([pair, label]): [Label, Label][] => {
        const found = theirs.get(pair);
        return found ? [[label, found]] : [];
      });
      return common.length === 0 ? [] : [{ one, other: other!, pairs: common.length, ...compareLabels(common) }];
    })
  );
}
