/**
 * Token pairs that annotators chose: where more than half of a case's votes are for one position and contrast, the
 * model computes their logits, the contrast is forced and continued greedily, and the case is placed there.
 */
import { and, asc, eq, exists, inArray, or } from "drizzle-orm";
import type { SQL } from "drizzle-orm";
import { pairSearches } from "../../schema/tables/search_tables.ts";
import { annotations, failureCases, tokenPairs } from "../../schema/tables/tables.ts";
import type { Candidate, Exclusion } from "../../schema/tables/values.ts";
import { among } from "../base/among.ts";
import type { Transaction } from "../database/database.ts";
import type { DecidedCase, PairSearchParts } from "./parts.ts";
import { CLEAN_DELTA } from "../cases/clean_delta.ts";
import { excludeCase, type FailureCaseRow, placeRecovery } from "../cases/place_case.ts";
import { spellsItself } from "./outcome.ts";
import { bestOf, rankIn } from "../cases/ranks.ts";
import { openRollouts, type RolledOut, type Rollouts } from "./rollouts.ts";
import type { Outcome, SearchModel, SearchState } from "./criterion.ts";
import type { Recovery } from "../cases/recovery.ts";
import { type StoredCase, storedCase } from "./stored_case.ts";
import { type Ballot, countVotes, describeTie, type Vote } from "./vote.ts";

export interface AnnotatedSettings {
  readonly benchmarks: readonly string[] | null;
  readonly caseIds?: readonly number[];
  /** Only this case, whatever became of it; null: all that are open, or that no search can decide. */
  readonly failureCaseId: number | null;
  /** Best-ranked alternatives noted beside the chosen one. */
  readonly alternatives: number;
  readonly batch: number;
}

export interface AnnotatedTotals {
  readonly cases: number;
  readonly clean: number;
  readonly excluded: number;
  /** Rows of cases whose annotators disagree: they wait for another vote, not for a search. */
  readonly held: ReadonlySet<number>;
}

/** Reasons that an annotator may know better than the search. */
const SEARCH_FAILED: readonly Exclusion[] = ["no_recovery", "not_checkable"];

interface AnnotatedCase {
  readonly searchCase: StoredCase;
  readonly ballot: Ballot;
  /** Where a search was before. */
  readonly state: SearchState | undefined;
}

/** What the model says of a ballot. */
interface Computed {
  readonly one: AnnotatedCase;
  /** Undefined where the ballot is not for a pair. */
  readonly outcome: Outcome | undefined;
}

/** Decides all annotated cases of the selection, in transactions of a batch each. */
export async function placeAnnotated(
  settings: AnnotatedSettings,
  parts: PairSearchParts,
  model: SearchModel,
): Promise<AnnotatedTotals> {
  const cases = await loadAnnotated(settings, parts);
  const rollouts = openRollouts(model, settings.batch);
  const held = new Set<number>();
  let [clean, excluded, done] = [0, 0, 0];
  for (let from = 0; from < cases.length; from += settings.batch) {
    const chunk = cases.slice(from, from + settings.batch);
    const computed = await compute(chunk, { settings, parts, model, rollouts });
    parts.options.signal?.throwIfAborted();
    done += chunk.length;
    const decided = await parts.db.transaction(async (tx) => {
      const stored: DecidedCase[] = [];
      for (const one of computed) stored.push(...await settle(tx, one, parts));
      const counts = { waves: 0, positions: 0, ...rollouts.counts() };
      await parts.onWave?.(tx, { done, total: cases.length, counts });
      return stored;
    });
    for (const { ballot, searchCase } of chunk) if (ballot.kind === "tie") held.add(searchCase.row.id);
    clean += decided.filter(({ status }) => status === "clean").length;
    excluded += decided.filter(({ status }) => status === "excluded").length;
    await parts.onDecided?.(decided);
  }
  return { cases: cases.length, clean, excluded, held };
}

async function loadAnnotated(
  { benchmarks, caseIds, failureCaseId }: AnnotatedSettings,
  parts: PairSearchParts,
): Promise<AnnotatedCase[]> {
  const { db, model, checkers } = parts;
  const annotated = exists(
    db.select({ id: annotations.id }).from(annotations).where(eq(annotations.failureCaseId, failureCases.id)),
  );
  const undecided: SQL | undefined = or(
    eq(failureCases.status, "open"),
    inArray(failureCases.exclusion, [...SEARCH_FAILED]),
  );
  const rows = await db.select({ row: failureCases, state: pairSearches.state }).from(failureCases)
    .leftJoin(pairSearches, eq(pairSearches.failureCaseId, failureCases.id))
    .where(and(
      eq(failureCases.modelId, model.id),
      benchmarks ? inArray(failureCases.benchmark, [...benchmarks]) : undefined,
      caseIds ? among(failureCases.id, caseIds) : undefined,
      failureCaseId === null ? undecided : eq(failureCases.id, failureCaseId),
      annotated,
    )).orderBy(asc(failureCases.id));
  const votes = await votesOn(db, rows.map(({ row }) => row.id));
  return rows.flatMap(({ row, state }) => {
    const ballot = countVotes(votes.get(row.id) ?? []);
    if (!ballot) return [];
    return [{
      searchCase: storedCase(row, checkers, parts),
      ballot,
      state: state as unknown as SearchState ?? undefined,
    }];
  });
}

async function votesOn(
  db: PairSearchParts["db"] | Transaction,
  failureCaseIds: readonly number[],
): Promise<ReadonlyMap<number, readonly Vote[]>> {
  const found = new Map<number, Vote[]>();
  if (failureCaseIds.length === 0) return found;
  const rows = await db.select().from(annotations).where(inArray(annotations.failureCaseId, [...failureCaseIds]));
  for (const row of rows) found.set(row.failureCaseId, [...found.get(row.failureCaseId) ?? [], row]);
  return found;
}

interface Computing {
  readonly settings: AnnotatedSettings;
  readonly parts: PairSearchParts;
  readonly model: SearchModel;
  readonly rollouts: Rollouts;
}

async function compute(chunk: readonly AnnotatedCase[], computing: Computing): Promise<Computed[]> {
  const { parts: { tokenizer }, rollouts } = computing;
  const looked: (Outcome | undefined)[] = [];
  for (const one of chunk) looked.push(one.ballot.kind === "pair" ? await look(one, one.ballot, computing) : undefined);
  // Contrasts of all cases are continued side by side; those that the search tried are known.
  const wanted = chunk.flatMap(({ searchCase }, index) => {
    const pair = looked[index]?.pair;
    if (!pair || contrastOf(pair)?.completion !== null) return [];
    const prefix = [...searchCase.completionIds.slice(0, pair.position), pair.contrast.id];
    // Without a checker the rollout is shown all the same.
    const check = searchCase.check ?? (() => Promise.resolve({ passed: null }));
    // Whoever chose the contrast wants to see all of it.
    const { decided: _, ...whole } = searchCase;
    return [{ pair, wanted: { searchCase: { ...whole, check }, prefix } }];
  });
  const responses = await rollouts.complete(wanted.map((one) => one.wanted), tokenizer);
  const rolled = new Map(wanted.map(({ pair }, index) => [pair, responses[index] as RolledOut]));
  return chunk.map((one, index) => ({ one, outcome: withRollout(looked[index], rolled) }));
}

const contrastOf = ({ candidates, contrast }: Recovery): Candidate | undefined =>
  candidates.find(({ id }) => id === contrast.id);

function withRollout(
  outcome: Outcome | undefined,
  rolled: ReadonlyMap<Recovery, RolledOut>,
): Outcome | undefined {
  const response = outcome?.pair && rolled.get(outcome.pair);
  if (!response || !outcome.pair) return outcome;
  const { candidates, contrast } = outcome.pair;
  const pair = {
    ...outcome.pair,
    candidates: candidates.map((one) => one.id === contrast.id ? { ...one, ...response } : one),
  };
  return { ...outcome, pair };
}

/** The pair's logits where its annotators see it. The candidates are not rolled out, unless the search did. */
async function look(
  { searchCase, state }: AnnotatedCase,
  { position, contrastId }: Extract<Ballot, { kind: "pair" }>,
  { settings, parts: { tokenizer }, model }: Computing,
): Promise<Outcome> {
  const { promptIds, completionIds, row } = searchCase;
  const excluded = (exclusion: Exclusion, note: string): Outcome => ({ kind: "excluded", exclusion, note });
  const prefixIds = completionIds.slice(0, position);
  const inputIds = [...promptIds, ...prefixIds];
  const targetId = completionIds[position] as number;
  const shown = `${JSON.stringify(tokenizer.token(targetId))} at position ${position}`;
  if (inputIds.length >= model.maxPositions) {
    return excluded(
      "context_too_long",
      `${inputIds.length} tokens before ${shown}, the model takes ${model.maxPositions}`,
    );
  }
  const logits = await model.logits(inputIds);
  const target = { id: targetId, ...rankIn(logits, targetId) };
  const best = bestOf(logits, settings.alternatives + 1);
  if (target.rank !== 0) {
    const argmax = JSON.stringify(tokenizer.token(best[0] as number));
    return excluded("target_not_argmax", `${shown} is rank ${target.rank}, the argmax is ${argmax}`);
  }
  if (!spellsItself(tokenizer, promptIds, prefixIds)) {
    return excluded(
      "tokenisation_differs",
      `prompt and answer before ${shown} give other tokens when their text is tokenised`,
    );
  }
  const contrast = { id: contrastId, ...rankIn(logits, contrastId) };
  const tried = new Map(
    (state?.visited ?? []).filter((visited) => visited.position === position)
      .flatMap((visited) => visited.tried).map((one) => [one.id, one] as const),
  );
  const candidates = [...new Set([...best, contrastId])].map((id): Candidate => {
    const candidate = { id, text: tokenizer.token(id), ...rankIn(logits, id) };
    if (id === targetId) return { ...candidate, completion: row.completion, passed: row.verdict?.passed ?? null };
    const known = tried.get(id);
    if (!known || known.endedEarly && id === contrastId) return { ...candidate, completion: null, passed: null };
    const { completion, passed, endedEarly } = known;
    return { ...candidate, completion, passed, ...endedEarly && { endedEarly } };
  }).sort((a, b) => a.rank - b.rank);
  const delta = target.logit - contrast.logit;
  const pair: Recovery = {
    position,
    response: completionIds,
    source: "annotation",
    target,
    contrast,
    contrastRank: contrast.rank,
    delta,
    candidates,
  };
  if (delta > CLEAN_DELTA) return { kind: "clean", pair };
  const against = JSON.stringify(tokenizer.token(contrastId));
  return {
    kind: "excluded",
    exclusion: "delta_too_small",
    note: `delta ${delta.toFixed(3)} of ${shown} against ${against}`,
    pair,
  };
}

/** Stores what was computed, unless the votes have changed meanwhile: then whoever changed them asked again. */
async function settle(
  tx: Transaction,
  { one: { searchCase: { row }, ballot }, outcome }: Computed,
  { tokenizer }: PairSearchParts,
): Promise<DecidedCase[]> {
  const [now] = await tx.select().from(failureCases).where(eq(failureCases.id, row.id)).for("update");
  const votes = await votesOn(tx, [row.id]);
  if (!now || JSON.stringify(countVotes(votes.get(row.id) ?? [])) !== JSON.stringify(ballot)) return [];
  if (ballot.kind === "tie") {
    const note = describeTie(ballot, (id) => tokenizer.token(id));
    // A search's own reason stays.
    if (now.status === "open") await noteOf(tx, row.id, note);
    return [{ ...decidedAs(now, row.key), note, pair: undefined }];
  }
  const reviewer = ballot.annotators.join(", ");
  const pair = outcome?.pair;
  if (pair) {
    const { failureCaseId } = await placeRecovery(tx, now, pair, { tokenizer, reviewer });
    const [placed] = await tx.select().from(failureCases).where(eq(failureCases.id, failureCaseId));
    const note = outcome.note ?? null;
    if (placed?.exclusion === "delta_too_small") await noteOf(tx, failureCaseId, note);
    return [{ ...decidedAs(placed ?? now, placed?.key ?? row.key), note, pair }];
  }
  const [exclusion, note]: [Exclusion, string | null] = outcome?.kind === "excluded"
    ? [outcome.exclusion, outcome.note]
    : ["annotator", ballot.kind === "exclude" ? ballot.reason : null];
  const [has] = await tx.select({ id: tokenPairs.id }).from(tokenPairs).where(eq(tokenPairs.failureCaseId, row.id))
    .limit(1);
  // Pairs that stand speak for the case, whatever is wrong with another one.
  const stays = has !== undefined && ballot.kind === "pair";
  if (!stays) await excludeCase(tx, row.id, exclusion, { ...(note === null ? {} : { note }), reviewer });
  const status = stays
    ? decidedAs(now, row.key)
    : { ...decidedAs(now, row.key), status: "excluded" as const, exclusion };
  return [{ ...status, note, pair: undefined }];
}

function decidedAs({ benchmark, status, exclusion }: FailureCaseRow, key: string) {
  return { key, benchmark, status, exclusion };
}

async function noteOf(tx: Transaction, failureCaseId: number, exclusionNote: string | null): Promise<void> {
  await tx.update(failureCases).set({ exclusionNote }).where(eq(failureCases.id, failureCaseId));
}
