/**
 * What changes from one member of a study to each other: which failures are the first one's own, and how much of the
 * relevance lies elsewhere (docs/studies.md, Quantisation).
 */
import { and, asc, eq, inArray, sql } from "drizzle-orm";
import { studyPairs } from "../../schema/tables/analysis_tables.ts";
import type { Database } from "../../schema/tables/database.ts";
import type { StudyMovementRow } from "../../schema/services/studies.ts";
import { attributions, failureCases, tokenPairs } from "../../schema/tables/tables.ts";
import { bootstrapInterval } from "../base/statistics/bootstrap.ts";
import { memberOf, type StudyRow } from "./numbers.ts";
import { verdictOf, VERDICTS } from "./summary.ts";

/** Pairs that are named, those that moved most. */
const NAMED = 5;
/** Token pairs of one statement: relevance of long contexts takes memory. */
const BATCH = 200;

/**
 * The part of the relevance that lies elsewhere, or under the other sign: half the sum of |a - b| once both are scaled
 * to a sum of |R| of 1. 0: all where it was; 1: nothing is. Null where one of them has none.
 *
 * @param one relevance of the same tokens on two models, [tokens]
 */
export function movementOf(one: ArrayLike<number>, other: ArrayLike<number>): number | null {
  const size = (values: ArrayLike<number>) => {
    let sum = 0;
    for (let at = 0; at < values.length; at++) sum += Math.abs(values[at]!);
    return sum;
  };
  const [a, b] = [size(one), size(other)];
  if (!(a > 0) || !(b > 0)) return null;
  let apart = 0;
  for (let at = 0; at < one.length; at++) apart += Math.abs(one[at]! / a - other[at]! / b);
  return apart / 2;
}

interface MemberPair {
  readonly tokenPairId: number;
  readonly key: string;
  readonly x: number;
  readonly y: number;
  readonly moved: number | null;
}

/** One row for each other member. Throws InputError for a label that the series does not have. */
export async function readMovements(
  db: Database,
  study: StudyRow,
  { from, seed }: { readonly from: string | undefined; readonly seed: number },
): Promise<StudyMovementRow[]> {
  const first = memberOf(study, from, 0);
  const others = study.members.filter(({ modelId }) => modelId !== first.modelId);
  const pairs = new Map<number, MemberPair[]>(others.map(({ modelId }) => [modelId, []]));
  const ids = await db.select({ id: studyPairs.tokenPairId }).from(studyPairs)
    .where(eq(studyPairs.studyId, study.id)).orderBy(asc(studyPairs.tokenPairId));
  for (let at = 0; at < ids.length; at += BATCH) {
    const rows = await readRelevance(db, study, ids.slice(at, at + BATCH).map(({ id }) => id));
    for (const own of Map.groupBy(rows, ({ tokenPairId }) => tokenPairId).values()) {
      const base = own.find(({ modelId }) => modelId === first.modelId);
      if (base === undefined) continue;
      for (const { tokenPairId, key, modelId, delta, relevance } of own) {
        const moved = movementOf(base.relevance, relevance);
        pairs.get(modelId)?.push({ tokenPairId, key, x: base.delta, y: delta, moved });
      }
    }
  }
  return others.map(({ label, modelId }) => movementRow(first.label, label, pairs.get(modelId)!, seed));
}

function movementRow(from: string, label: string, pairs: readonly MemberPair[], seed: number): StudyMovementRow {
  const moved = pairs.flatMap((pair) => pair.moved === null ? [] : [{ ...pair, moved: pair.moved }]);
  const counts = Object.fromEntries(
    VERDICTS.map((verdict) => [verdict, pairs.filter(({ x, y }) => verdictOf(x, y) === verdict).length]),
  ) as StudyMovementRow["counts"];
  return {
    from,
    label,
    pairs: pairs.length,
    counts,
    moved: moved.length === 0
      ? null
      : bootstrapInterval(moved.map((pair) => pair.moved), { seed, name: `study movement/${from}/${label}` }),
    most: moved.toSorted((a, b) => b.moved - a.moved || a.tokenPairId - b.tokenPairId).slice(0, NAMED)
      .map(({ tokenPairId, key, x, y, moved: part }) => ({ tokenPairId, key, x, y, moved: part })),
  };
}

/** Delta and relevance at the embeddings of these pairs on all members. */
async function readRelevance(db: Database, study: StudyRow, tokenPairIds: readonly number[]) {
  const rows = await db.select({
    tokenPairId: attributions.tokenPairId,
    key: failureCases.key,
    modelId: attributions.modelId,
    delta: attributions.logitDifference,
    // The first row of [layers + 1, tokens], f32.
    bytes: sql<Uint8Array>`substring(${attributions.relevance} from 1 for 4 * ${attributions.tokenCount})`,
  }).from(attributions)
    .innerJoin(tokenPairs, eq(tokenPairs.id, attributions.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .where(and(
      inArray(attributions.tokenPairId, [...tokenPairIds]),
      eq(attributions.rule, study.rule),
      inArray(attributions.modelId, study.members.map(({ modelId }) => modelId)),
    )).orderBy(asc(attributions.tokenPairId));
  return rows.map(({ bytes, ...row }) => ({ ...row, relevance: new Float32Array(Uint8Array.from(bytes).buffer) }));
}
