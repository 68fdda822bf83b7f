/** What work that could be asked for would take: which runs it comes to, and what the planner says of them. */
import { and, eq, inArray, type SQL, sql } from "drizzle-orm";
import { InputError, type Rule } from "../../gpu/mod.ts";
import { attributionGraphs, studies, studyPairs } from "../../schema/tables/analysis_tables.ts";
import { ABLATION_OPTIONS } from "../../schema/tables/ablation_values.ts";
import { GRAPH_OPTIONS } from "../../schema/tables/analysis_values.ts";
import type { Database } from "../../schema/tables/database.ts";
import type { PlanRequest, WorkPlan } from "../../schema/services/plans.ts";
import { attributions, failureCases, models, tokenPairs } from "../../schema/tables/tables.ts";
import type { TraceSettings } from "../../schema/tables/trace_values.ts";
import { traces } from "../../schema/tables/trace_tables.ts";
import { among } from "../base/among.ts";
import { canonicalHash } from "../base/canonical_hash.ts";
import { hashOfOptions } from "../graphs/compute_graph.ts";
import { CLEAN_DELTA } from "../cases/clean_delta.ts";
import { criterionPairs } from "../../schema/tables/criterion_pairs.ts";
import { ablationPasses } from "../ablation/passes.ts";
import { decodingPasses, maskingPasses, ROLLOUTS } from "../masking/passes.ts";
import type { Planner } from "./planner.ts";
import { findSeries, membersOf } from "../studies/series.ts";
import type { Step } from "../traces/cut_steps.ts";
import { stepsOfRow } from "../traces/stored_steps.ts";

/** Runs with one model: how many there are of each length. */
interface ModelRuns {
  readonly directory: string;
  /** Runs by their tokens, shortest first. */
  readonly lengths: readonly RunLength[];
}

interface RunLength {
  readonly tokens: number;
  readonly runs: number;
  /** The failure case among them with the longest completion; null where the runs are not of single cases. */
  readonly longest: number | null;
}

/** How traces are asked for where nothing is said. */
const TRACE_SETTINGS: TraceSettings = { boundaries: null, rollouts: 0 };

/** What a run takes besides, in the queue and the database, in seconds: seen on 2 cores, where it is the largest. */
const STORE_SECONDS = 0.03;
/** Lengths that a plan is made for: the others' times lie between. */
const PLANNED_LENGTHS = 3;

/**
 * Plans what is missing of a selection: what is stored already is not computed again. Throws InputError for pairs and
 * series that are not there, and for what the engine refuses.
 */
export async function planWork(db: Database, planner: Planner, request: PlanRequest): Promise<WorkPlan> {
  const work = await (request.kind === "study" ? studyRuns(db, request) : pairRuns(db, request));
  const plans = [];
  for (const runs of work) plans.push(await planModel(db, planner, request, runs));
  const [first] = plans;
  if (first === undefined) {
    const why = "nothing is missing: every result is stored";
    return { runs: 0, longest: 0, seconds: 0, gpuBytes: 0, hostBytes: 0, fits: true, why, adapter: null };
  }
  // Models are run one after another: the largest counts.
  const largest = plans.reduce((most, plan) => plan.gpuBytes > most.gpuBytes ? plan : most);
  const refused = plans.find(({ fits }) => !fits) ?? largest;
  return {
    ...largest,
    fits: refused.fits,
    why: refused.why,
    runs: plans.reduce((sum, { runs }) => sum + runs, 0),
    longest: Math.max(...plans.map(({ longest }) => longest)),
    seconds: plans.reduce((sum, { seconds }) => sum + seconds, 0),
  };
}

async function planModel(
  db: Database,
  planner: Planner,
  { kind, rule, heads, masking }: PlanRequest,
  { directory, lengths }: ModelRuns,
): Promise<WorkPlan> {
  const runs = lengths.reduce((sum, length) => sum + length.runs, 0);
  const own = plannedLengths(lengths.map(({ tokens }) => tokens));
  // Masking decodes completions besides: a step of all of them is about a pass over as many tokens.
  const asked = kind === "mask" ? [...new Set([ROLLOUTS, ...own])].sort((a, b) => a - b) : own;
  const { adapter, plans, startSeconds } = await planner.ask({
    directory,
    kind: kind === "build_graph" ? "graph" : kind === "trace" ? "trace" : "attribute",
    rule,
    heads,
    lengths: asked,
    ...(kind === "trace" && { steps: await stepsAt(db, lengths, asked) }),
  });
  const times = asked.map((tokens, index) => ({ tokens, seconds: plans[index]!.seconds }));
  const each = kind === "mask" ? maskingPasses(masking) : kind === "ablate" ? ablationPasses(ABLATION_OPTIONS) : 1;
  const { gpuBytes, hostBytes, fits, why } = plans.at(-1)!;
  const more = kind === "mask" ? decodingPasses(masking) * secondsAt(times, ROLLOUTS) : 0;
  const seconds = lengths.reduce(
    (sum, { tokens, runs }) => sum + runs * (each * secondsAt(times, tokens) + more + STORE_SECONDS),
    startSeconds,
  );
  return { runs, longest: own.at(-1)!, seconds, gpuBytes, hostBytes, fits, why, adapter };
}

/** Steps of the cases with the longest completions of some lengths. */
async function stepsAt(
  db: Database,
  lengths: readonly RunLength[],
  asked: readonly number[],
): Promise<readonly (readonly Step[])[]> {
  const steps: (readonly Step[])[] = [];
  for (const tokens of asked) {
    const { longest } = lengths.find((length) => length.tokens === tokens)!;
    const { tokenTexts, segments, promptTokens } = failureCases;
    const [row] = await db.select({ tokenTexts, segments, promptTokens }).from(failureCases)
      .where(eq(failureCases.id, longest!));
    steps.push(stepsOfRow(row!));
  }
  return steps;
}

/** The shortest, the middle and the longest of ascending lengths, each once. */
export function plannedLengths(lengths: readonly number[]): readonly number[] {
  const last = lengths.length - 1;
  const places = Array.from(
    { length: PLANNED_LENGTHS },
    (_, index) => Math.round(last * index / (PLANNED_LENGTHS - 1)),
  );
  return [...new Set(places.map((place) => lengths[place]!))];
}

/** Seconds of a run by those of its neighbours in length, ascending. Time grows ever faster: the line lies above it. */
export function secondsAt(
  times: readonly { readonly tokens: number; readonly seconds: number }[],
  tokens: number,
): number {
  const above = times.findIndex((time) => time.tokens >= tokens);
  const [low, high] = [times[above - 1], times[above] ?? times.at(-1)!];
  if (low === undefined) return high.seconds;
  const share = (tokens - low.tokens) / (high.tokens - low.tokens);
  return low.seconds + share * (high.seconds - low.seconds);
}

/** The result is there, as a query that has rows; null where what is stored is not looked at. */
function stored(kind: PlanRequest["kind"], rule: Rule, heads: boolean): SQL | null {
  if (kind === "mask" || kind === "ablate") return null;
  if (kind === "trace") {
    return sql`(select 1 from ${traces} where ${traces.tokenPairId} = ${tokenPairs.id} and ${traces.rule} = ${rule}
      and ${traces.modelId} = ${failureCases.modelId} and ${traces.settingsHash} = ${canonicalHash(TRACE_SETTINGS)})`;
  }
  const attribution = sql`from ${attributions} where ${attributions.tokenPairId} = ${tokenPairs.id}
    and ${attributions.rule} = ${rule} and ${attributions.modelId} = ${failureCases.modelId}`;
  if (kind !== "build_graph") return sql`(select 1 ${attribution})`;
  const hash = hashOfOptions({ ...GRAPH_OPTIONS, heads });
  return sql`(select 1 ${attribution} and exists (select 1 from ${attributionGraphs}
    where ${attributionGraphs.attributionId} = ${attributions.id} and ${attributionGraphs.optionsHash} = ${hash}))`;
}

async function pairRuns(db: Database, { kind, tokenPairIds, rule, heads }: PlanRequest): Promise<ModelRuns[]> {
  const wanted = tokenPairIds ?? "missing";
  if (typeof wanted !== "string") {
    const found = await db.$count(tokenPairs, among(tokenPairs.id, wanted));
    if (found < new Set(wanted).size) {
      throw new InputError("a token pair is not there", "tokenPairIds", "give ids that another query returned");
    }
  }
  const there = stored(kind, rule, heads);
  const rows = await db.select({
    directory: models.directory,
    tokens: failureCases.tokenCount,
    runs: sql<number>`count(*)::int`,
    longest: sql<number>`(array_agg(${failureCases.id} order by ${failureCases.promptTokens}, ${failureCases.id}))[1]`,
  }).from(tokenPairs)
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .innerJoin(models, eq(models.id, failureCases.modelId))
    .where(and(
      typeof wanted === "string" ? criterionPairs : among(tokenPairs.id, wanted),
      wanted === "clean" ? sql`${tokenPairs.delta} > ${CLEAN_DELTA}` : undefined,
      there === null ? undefined : sql`not exists ${there}`,
    )).groupBy(models.directory, failureCases.tokenCount).orderBy(models.directory, failureCases.tokenCount);
  return byModel(rows);
}

/**
 * The pairs of a study on each member of its series: those that are named, or its own; of a new one, the clean pairs of the
 * members' cases.
 */
async function studyRuns(db: Database, { series, name, rule, tokenPairIds }: PlanRequest): Promise<ModelRuns[]> {
  const row = await findSeries(db, series ?? "", "series");
  const members = await membersOf(db, row);
  const ids = members.map(({ modelId }) => modelId);
  const [study] = await db.select({ id: studies.id }).from(studies)
    .where(eq(studies.name, name ?? `${row.name} ${rule}`));
  const ofStudy = tokenPairIds !== undefined && typeof tokenPairIds !== "string"
    ? among(tokenPairs.id, tokenPairIds)
    : study === undefined
    ? and(criterionPairs, sql`${tokenPairs.delta} > ${CLEAN_DELTA}`, inArray(failureCases.modelId, ids))
    : sql`exists (select 1 from ${studyPairs}
        where ${studyPairs.tokenPairId} = ${tokenPairs.id} and ${studyPairs.studyId} = ${study.id})`;
  const runs: ModelRuns[] = [];
  for (const { modelId, model } of members) {
    const rows = await db.select({ tokens: failureCases.tokenCount, runs: sql<number>`count(*)::int` })
      .from(tokenPairs).innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
      .where(and(
        ofStudy,
        sql`not exists (select 1 from ${attributions} where ${attributions.tokenPairId} = ${tokenPairs.id}
          and ${attributions.rule} = ${rule} and ${attributions.modelId} = ${modelId})`,
      )).groupBy(failureCases.tokenCount).orderBy(failureCases.tokenCount);
    if (rows.length > 0) {
      runs.push({ directory: model.directory, lengths: rows.map((row) => ({ ...row, longest: null })) });
    }
  }
  return runs;
}

/** Rows in the order of their models and lengths. */
function byModel(rows: readonly (RunLength & { readonly directory: string })[]): ModelRuns[] {
  return [...Map.groupBy(rows, ({ directory }) => directory)].map(([directory, lengths]) => ({ directory, lengths }));
}
