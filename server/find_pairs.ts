/** Searches token pairs of the open failure cases that the database holds, and stores what is found, wave by wave. */
import { and, asc, eq, inArray, or, type SQL, sql } from "drizzle-orm";
import type { LoadedModel, RunOptions } from "../gpu/engine.ts";
import { InputError } from "../gpu/errors.ts";
import type { Tokenizer } from "../gpu/model/tokenizer.ts";
import type { Database } from "../schema/context.ts";
import { pairSearches } from "../schema/search_tables.ts";
import { failureCases } from "../schema/tables.ts";
import type { Exclusion } from "../schema/values.ts";
import { canonicalHash } from "./canonical_hash.ts";
import type { Checkers } from "./checkers/check.ts";
import type { Transaction } from "./database.ts";
import { excludeCase, type FailureCaseRow, placeCase } from "./place_case.ts";
import {
  type CaseUpdate,
  type PositionRule,
  type Recovery,
  SEARCH_START,
  type SearchCase,
  type SearchCounts,
  searchPairs,
  type SearchState,
} from "./search/search.ts";

export interface FindPairsSettings {
  readonly benchmarks: readonly string[] | null;
  readonly alternatives: number;
  readonly positions: number | null;
  readonly positionRule: PositionRule;
  readonly batch: number;
}

/** A model as the database knows it, and on the device. */
export interface SearchedModel {
  readonly id: number;
  readonly name: string;
  readonly hash: string;
  readonly tokenizerHash: string;
  readonly loaded: LoadedModel;
}

/** A case that was decided. */
export interface DecidedCase {
  readonly key: string;
  readonly benchmark: string;
  readonly status: "clean" | "excluded";
  readonly exclusion: Exclusion | null;
  readonly note: string | null;
  readonly pair: Recovery | undefined;
}

export interface FindPairsParts {
  readonly db: Database;
  readonly model: SearchedModel;
  readonly sibling: SearchedModel | undefined;
  readonly tokenizer: Tokenizer;
  readonly checkers: Checkers;
  readonly options: RunOptions;
  /** Called inside the transaction that stores a wave; what it throws undoes the wave and ends the search. */
  readonly onWave?: (tx: Transaction, progress: FindPairsProgress) => Promise<void>;
  readonly onDecided?: (cases: readonly DecidedCase[]) => Promise<void>;
}

export interface FindPairsProgress {
  readonly done: number;
  readonly total: number;
  readonly counts: SearchCounts;
}

export interface FindPairsTotals {
  readonly cases: number;
  readonly clean: number;
  readonly excluded: number;
  readonly counts: SearchCounts;
}

/** A failure case in search. */
interface StoredCase extends SearchCase {
  readonly row: FailureCaseRow;
}

/** Tokens that rollouts of imported answers may have, unless the answer itself is longer. */
const IMPORTED_MAX_TOKENS = 1280;

/** Searches all open cases of the model; what is decided stays decided when it is asked again. */
export async function findPairs(settings: FindPairsSettings, parts: FindPairsParts): Promise<FindPairsTotals> {
  const { model, sibling, tokenizer, options } = parts;
  if (sibling && sibling.tokenizerHash !== model.tokenizerHash) {
    throw new InputError(
      `${sibling.name} has another tokenizer than ${model.name}`,
      "sibling",
      "give a model of the same family, whose tokens have the same ids",
    );
  }
  const { batch, benchmarks: _benchmarks, ...asked } = settings;
  const settingsHash = canonicalHash({ ...asked, model: model.hash });
  const cases = await loadCases(settings, parts, settingsHash);
  const total = cases.length;
  let done = 0;
  let clean = 0;
  const counts = await searchPairs(cases, {
    alternatives: settings.alternatives,
    positions: settings.positions ?? Infinity,
    positionRule: settings.positionRule,
    batch,
  }, {
    model: {
      endIds: model.loaded.config.eosIds,
      maxPositions: model.loaded.config.maxPositions,
      nextTokens: (requests) => model.loaded.nextTokens(requests, quiet(options)),
      rollouts: (requests) => model.loaded.generate(requests, quiet(options)),
      logits: (inputIds) => model.loaded.logits(inputIds, quiet(options)),
    },
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
      await parts.onDecided?.(decided);
    },
  });
  return { cases: total, clean, excluded: done - clean, counts };
}

/** The engine's own progress is of single passes: here the cases count. */
const quiet = ({ signal }: RunOptions): RunOptions => signal ? { signal } : {};

async function loadCases(
  { benchmarks }: FindPairsSettings,
  { db, model, sibling, checkers }: FindPairsParts,
  settingsHash: string,
): Promise<{ readonly searchCase: StoredCase; readonly state: SearchState }[]> {
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
      or(eq(failureCases.status, "open"), unasked),
    )).orderBy(asc(failureCases.id));
  return rows.map(({ row, search }) => {
    const { item, metadata, completionIds } = row;
    const { maxTokens } = metadata;
    const searchCase: StoredCase = {
      row,
      key: row.key,
      promptIds: row.inputIds.slice(0, row.promptTokens),
      completionIds,
      maxTokens: typeof maxTokens === "number" ? maxTokens : Math.max(IMPORTED_MAX_TOKENS, completionIds.length),
      check: item === null ? undefined : (answer) => checkers.check(item, answer),
    };
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
    const values = { ...hashes, state: state as unknown as Readonly<Record<string, unknown>>, updatedAt: new Date() };
    await tx.insert(pairSearches).values({ failureCaseId: row.id, ...values })
      .onConflictDoUpdate({ target: pairSearches.failureCaseId, set: values });
    if (!outcome) continue;
    const [now] = await tx.select({ status: failureCases.status, exclusion: failureCases.exclusion }).from(failureCases)
      .where(eq(failureCases.id, row.id)).for("update");
    const undecided = now?.status === "open" || now?.exclusion === "no_recovery";
    const pair = outcome.pair;
    // Whoever annotated it meanwhile has the last word.
    if (undecided && pair) await storePair(tx, row, pair, tokenizer);
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

async function storePair(
  tx: Transaction,
  row: FailureCaseRow,
  { position, answer, target, contrast, contrastRank, delta, source, candidates }: Recovery,
  tokenizer: Tokenizer,
): Promise<void> {
  const completionIds = [...answer];
  if (completionIds.length > row.completionIds.length) {
    // An imported answer has no token that ended it; the model's own is its end.
    await tx.update(failureCases).set({ completionIds }).where(eq(failureCases.id, row.id));
  }
  const clean = (text: string) => text.replaceAll("\0", "\u2400");
  await placeCase(tx, { ...row, completionIds }, position, {
    targetId: target.id,
    targetText: clean(tokenizer.token(target.id)),
    targetLogit: target.logit,
    contrastId: contrast.id,
    contrastText: clean(tokenizer.token(contrast.id)),
    contrastLogit: contrast.logit,
    contrastRank,
    delta,
    source,
    candidates: candidates.map((one) => ({ ...one, text: clean(one.text), completion: clean(one.completion) })),
  }, { tokenizer });
}
