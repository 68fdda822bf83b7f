/** How far annotators agree: Cohen's kappa of each two of them. */
import { and, eq, lt, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import type { AnnotatorAgreement } from "../../schema/services/annotations.ts";
import type { Database } from "../../schema/tables/database.ts";
import { annotations, failureCases } from "../../schema/tables/tables.ts";
import { agreement } from "../base/statistics/kappa.ts";

/** Pairs of annotations that are compared: 20 annotators of 1000 cases have 190,000. */
const MAX_PAIRS = 500_000;

/** Agreement of each two annotators that have cases in common, on the decision and on position and contrast. */
export async function annotationAgreement(db: Database, benchmark: string | undefined): Promise<AnnotatorAgreement[]> {
  const one = alias(annotations, "one");
  const other = alias(annotations, "other");
  const choice = (table: typeof one | typeof other) =>
    sql<string | null>`case when ${table.decision} = 'pair' then ${table.position} || ':' || ${table.contrastId} end`;
  const rows = await db.select({
    annotators: sql<[string, string]>`array[${one.annotator}, ${other.annotator}]`,
    decisions: sql<[string, string]>`array[${one.decision}::text, ${other.decision}::text]`,
    oneChoice: choice(one),
    otherChoice: choice(other),
  }).from(one)
    .innerJoin(other, and(eq(other.failureCaseId, one.failureCaseId), lt(one.annotator, other.annotator)))
    .innerJoin(failureCases, eq(failureCases.id, one.failureCaseId))
    .where(benchmark === undefined ? undefined : eq(failureCases.benchmark, benchmark))
    .orderBy(one.annotator, other.annotator, one.failureCaseId).limit(MAX_PAIRS);

  const groups = Map.groupBy(rows, ({ annotators }) => JSON.stringify(annotators));
  return [...groups.values()].map((group) => {
    const decision = agreement(group.map(({ decisions }) => decisions));
    const choices = group.flatMap(({ oneChoice, otherChoice }): [string, string][] =>
      oneChoice !== null && otherChoice !== null ? [[oneChoice, otherChoice]] : []
    );
    const chosen = choices.length > 0 ? agreement(choices) : undefined;
    return {
      annotators: [...group[0]!.annotators],
      cases: group.length,
      decisionObserved: decision.observed,
      decisionKappa: decision.kappa,
      pairs: choices.length,
      choiceObserved: chosen?.observed ?? null,
      choiceKappa: chosen?.kappa ?? null,
    };
  });
}
