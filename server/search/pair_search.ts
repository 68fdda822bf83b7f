/**
 * Finds token pairs of the failure cases that the database holds: first those that annotators chose, then the open
 * ones by search; what is found is stored wave by wave.
 */
import { and, asc, eq, inArray, or, type SQL, sql } from "drizzle-orm";
import type { DecidedCase, PairSearchParts, PairSearchTotals } from "./parts.ts";
import { InputError, type RunOptions, type Tokenizer } from "../../gpu/mod.ts";
import { pairSearches } from "../../schema/tables/search_tables.ts";
import { failureCases } from "../../schema/tables/tables.ts";
import { among } from "../base/among.ts";
import { canonicalHash } from "../base/canonical_hash.ts";
import type { Transaction } from "../database/database.ts";
import { placeAnnotated } from "./annotated_pairs.ts";
import { excludeCase, placeRecovery, storable } from "../cases/place_case.ts";
import { searchPairs } from "./search.ts";
import { type CaseUpdate, type PositionRule, SEARCH_START, type SearchModel, type SearchState } from "./criterion.ts";
import { type StoredCase, storedCase } from "./stored_case.ts";

export interface PairSearchSettings {
  readonly benchmarks: readonly string[] | null;
  /** Only these cases, by their rows. */
  readonly caseIds?: readonly number[];
  readonly alternatives: number;
  readonly positions: number | null;
  readonly positionRule: PositionRule;
  readonly batch: number;
  /** Only what annotators say of this case, by its row: nothing is searched. */
  readonly failureCaseId?: number;
}

/** Rollouts that a software adapter decodes together as fast, each, as any larger number. */
const SOFTWARE_AHEAD = 32;

/** Decides all open cases of the model; what is decided stays decided when it is asked again. */
export async function searchOpenCases(settings: PairSearchSettings, parts: PairSearchParts): Promise<PairSearchTotals> {
  const { model, sibling, tokenizer, options } = parts;
  if (sibling && sibling.tokenizerHash !== model.tokenizerHash) {
    throw new InputError(
      `${sibling.name} has another tokenizer than ${model.name}`,
      "sibling",
      "give a model of the same family, whose tokens have the same ids",
    );
  }
  const { batch, benchmarks: _benchmarks, caseIds: _caseIds, failureCaseId = null, ...asked } = settings;
  const settingsHash = canonicalHash({ ...asked, model: model.hash });
  const searched: SearchModel = {
    endIds: model.loaded.config.eosIds,
    maxPositions: model.loaded.config.maxPositions,
    nextTokens: (requests) => model.loaded.nextTokens(requests, quiet(options)),
    rollouts: (requests) => model.loaded.generate(requests, quiet(options)),
    logits: (inputIds) => model.loaded.logits(inputIds, quiet(options)),
  };
  const annotated = await placeAnnotated({ ...settings, failureCaseId }, parts, searched);
  const open = failureCaseId === null ? await loadCases(settings, parts, settingsHash) : [];
  const cases = open.filter(({ searchCase }) => !annotated.held.has(searchCase.row.id));
  const total = annotated.cases + cases.length;
  let done = annotated.cases;
  let { clean, excluded } = annotated;
  const counts = await searchPairs(cases, {
    alternatives: settings.alternatives,
    positions: settings.positions ?? Infinity,
    positionRule: settings.positionRule,
    batch,
    ...(model.loaded.adapter.kind !== "hardware" && { ahead: SOFTWARE_AHEAD }),
  }, {
    model: searched,
    sibling: sibling && { nextTokens: (requests) => sibling.loaded.nextTokens(requests, quiet(options)) },
    tokenizer,
    onWave: async (updates, counts) => {
      options.signal?.throwIfAborted();
      const decided = await parts.db.transaction(async (tx) => {
        const stored = await storeWave(tx, updates, { settingsHash, siblingHash: sibling?.hash ?? null }, tokenizer);
        const progress = { done: done + stored.length, total, counts };
        await parts.onWave?.(tx, progress);
        return stored;
      });
      done += decided.length;
      clean += decided.filter(({ status }) => status === "clean").length;
      excluded += decided.filter(({ status }) => status === "excluded").length;
      await parts.onDecided?.(decided);
    },
  });
  return { cases: total, clean, excluded, undecided: annotated.held.size, counts };
}

/** The engine's own progress is of single passes: here the cases count. */
const quiet = ({ signal }: RunOptions): RunOptions => signal ? { signal } : {};

async function loadCases(
  { benchmarks, caseIds }: PairSearchSettings,
  parts: PairSearchParts,
  settingsHash: string,
): Promise<{ readonly searchCase: StoredCase; readonly state: SearchState }[]> {
  const { db, model, sibling, checkers } = parts;
  // Where no alternative of its own recovered, a sibling that was not asked yet may help.
  const unasked: SQL | undefined = sibling && and(
    eq(failureCases.exclusion, "no_recovery"),
    sql`${pairSearches.siblingHash} is distinct from ${sibling.hash}`,
  );
  const rows = await db.select({ row: failureCases, search: pairSearches }).from(failureCases)
    .leftJoin(pairSearches, eq(pairSearches.failureCaseId, failureCases.id))
    .where(and(
      eq(failureCases.modelId, model.id),
      benchmarks ? inArray(failureCases.benchmark, [...benchmarks]) : undefined,
      caseIds ? among(failureCases.id, caseIds) : undefined,
      or(eq(failureCases.status, "open"), unasked),
    )).orderBy(asc(failureCases.id));
  return rows.map(({ row, search }) => {
    const searchCase = storedCase(row, checkers, parts);
    const known = search?.settingsHash === settingsHash ? search.state as unknown as SearchState : SEARCH_START;
    return { searchCase, state: search?.siblingHash === (sibling?.hash ?? null) ? known : withoutSibling(known) };
  });
}

/** The own alternatives' part of a search whose sibling is another one now. */
function withoutSibling(state: SearchState): SearchState {
  const visited = state.visited.filter(({ proposedBy }) => proposedBy === "own");
  return state.phase === "own" ? state : { phase: "sibling", next: 0, visited };
}

async function storeWave(
  tx: Transaction,
  updates: readonly CaseUpdate<StoredCase>[],
  hashes: { readonly settingsHash: string; readonly siblingHash: string | null },
  tokenizer: Tokenizer,
): Promise<DecidedCase[]> {
  const decided: DecidedCase[] = [];
  for (const update of updates) {
    const { searchCase: { row }, state, outcome } = update;
    const values = { ...hashes, state: storableState(state), updatedAt: new Date() };
    await tx.insert(pairSearches).values({ failureCaseId: row.id, ...values })
      .onConflictDoUpdate({ target: pairSearches.failureCaseId, set: values });
    if (!outcome) continue;
    const [now] = await tx.select({ status: failureCases.status, exclusion: failureCases.exclusion }).from(failureCases)
      .where(eq(failureCases.id, row.id)).for("update");
    const undecided = now?.status === "open" || now?.exclusion === "no_recovery";
    const pair = outcome.pair;
    // Whoever annotated it meanwhile has the last word.
    if (undecided && pair) await placeRecovery(tx, row, pair, { tokenizer });
    if (undecided && outcome.kind === "excluded") {
      await excludeCase(tx, row.id, outcome.exclusion, { note: outcome.note });
    }
    decided.push({
      key: row.key,
      benchmark: row.benchmark,
      status: outcome.kind,
      exclusion: outcome.kind === "excluded" ? outcome.exclusion : null,
      note: outcome.kind === "excluded" ? outcome.note : null,
      pair,
    });
  }
  return decided;
}

/** Models can write every byte; PostgreSQL's JSON cannot hold every character. */
function storableState({ visited, ...state }: SearchState): Readonly<Record<string, unknown>> {
  return {
    ...state,
    visited: visited.map(({ tried, ...position }) => ({
      ...position,
      tried: tried.map((one) => ({ ...one, text: storable(one.text), completion: storable(one.completion) })),
    })),
  };
}
