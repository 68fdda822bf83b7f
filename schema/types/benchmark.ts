/** Benchmark: a file of items that `collect` can run a model over, and what is stored of each benchmark. */
import { and, asc, count, eq, inArray, isNotNull, type SQL, sql } from "drizzle-orm";
import { builder, pageCost } from "./builder.ts";
import { CaseStatus, ExclusionType, ResponseSource } from "./case_status.ts";
import { Outcome, Pattern } from "./outcome.ts";
import { attributions, benchmarks, failureCases, models, tokenPairs } from "../tables/tables.ts";
import type { Exclusion } from "../tables/values.ts";

const BenchmarkKind = builder.enumType("BenchmarkKind", {
  description: "How a benchmark's answers are checked.",
  values: {
    IFEVAL: { value: "ifeval", description: "By the instructions of IFEval." },
    MATH: { value: "math", description: "By the final answer." },
    HUMANEVAL: { value: "humaneval", description: "By running the code with its tests." },
    GSM8K: { value: "gsm8k", description: "By the number that the answer ends in." },
    EVALPLUS: {
      value: "evalplus",
      description: "By running the code on EvalPlus's inputs beside the canonical solution.",
    },
    GAIA2: { value: "gaia2", description: "By the action that is committed." },
  } as const,
});

const Benchmark = builder.drizzleNode("benchmarks", {
  name: "Benchmark",
  description: "A benchmark's file, whose items a model can be run over.",
  id: { column: (benchmark) => benchmark.id },
  select: { columns: {} },
  fields: (t) => ({
    name: t.exposeString("name", { description: "Its name; unique." }),
    kind: t.expose("kind", { type: BenchmarkKind, description: "How its answers are checked." }),
    path: t.exposeString("path", { description: "The file on the server." }),
    items: t.exposeInt("items", { description: "Number of items." }),
    hash: t.exposeString("hash", { description: "SHA-256 of the file." }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was registered." }),
  }),
});

builder.queryField("benchmarks", (t) =>
  t.drizzleConnection(
    {
      type: Benchmark,
      description: "The benchmarks that a model can be run over, by name.",
      complexity: pageCost,
      totalCount: (_parent, _args, context) => context.db.$count(benchmarks),
      resolve: (query, _parent, _args, context) =>
        context.db.query.benchmarks.findMany(query({ orderBy: { name: "asc" } })),
    },
    { name: "BenchmarkConnection", description: "A page of benchmarks." },
    { name: "BenchmarkEdge", description: "A benchmark with its cursor." },
  ));

interface CaseCountRow {
  readonly benchmark: string;
  readonly status: "open" | "clean" | "excluded";
  readonly exclusion: Exclusion | null;
  readonly count: number;
}

const CaseCount = builder.objectRef<CaseCountRow>("CaseCount").implement({
  description: "How many failure cases of a benchmark have a status, and a reason where they are left out.",
  fields: (t) => ({
    benchmark: t.exposeString("benchmark", { description: "The benchmark." }),
    status: t.expose("status", { type: CaseStatus, description: "What became of them." }),
    exclusion: t.expose("exclusion", { type: ExclusionType, nullable: true, description: "Why they are left out." }),
    count: t.exposeInt("count", { description: "How many." }),
  }),
});

const CaseCountFilter = builder.inputType("CaseCountFilter", {
  description: "Which failure cases to count; every condition given must hold.",
  fields: (t) => ({
    benchmark: t.string({ description: "Benchmark, exactly." }),
    model: t.string({ description: "The model's name." }),
    source: t.field({ type: ResponseSource, description: "Where their answers come from." }),
  }),
});

function matching(filter: typeof CaseCountFilter.$inferInput | null | undefined): SQL | undefined {
  return and(
    filter?.benchmark != null ? eq(failureCases.benchmark, filter.benchmark) : undefined,
    filter?.source != null ? eq(failureCases.source, filter.source) : undefined,
    filter?.model != null
      ? sql`${failureCases.modelId} = (select ${models.id} from ${models} where ${models.name} = ${filter.model})`
      : undefined,
  );
}

/** Rows of the table: benchmarks times statuses and reasons. */
const MAX_COUNTS = 2000;

builder.queryField("caseCounts", (t) =>
  t.field({
    type: [CaseCount],
    description: "Failure cases by benchmark, status and reason for leaving them out, 2000 rows at most.",
    complexity: { field: 50, multiplier: 5 },
    args: { filter: t.arg({ type: CaseCountFilter, description: "Which to count." }) },
    resolve: (_parent, { filter }, { db }) => {
      const { benchmark, status, exclusion } = failureCases;
      return db.select({ benchmark, status, exclusion, count: count() }).from(failureCases).where(matching(filter))
        .groupBy(benchmark, status, exclusion).orderBy(asc(benchmark), asc(status), asc(exclusion)).limit(MAX_COUNTS);
    },
  }));

interface DiagnosisCountRow {
  readonly outcome: typeof Outcome.$inferType;
  readonly pattern: typeof Pattern.$inferType | null;
  readonly count: number;
}

const DiagnosisCount = builder.objectRef<DiagnosisCountRow>("DiagnosisCount").implement({
  description: "How many failure cases have a pair that was diagnosed so.",
  fields: (t) => ({
    outcome: t.expose("outcome", { type: Outcome, description: "Where the failure shows." }),
    pattern: t.expose("pattern", { type: Pattern, nullable: true, description: "How it came about; null for none." }),
    count: t.exposeInt("count", { description: "How many cases; one with several pairs may count in several rows." }),
  }),
});

builder.queryField("diagnosisCounts", (t) =>
  t.field({
    type: [DiagnosisCount],
    description: "Failure cases by outcome and pattern.",
    complexity: { field: 50, multiplier: 5 },
    args: { filter: t.arg({ type: CaseCountFilter, description: "Which to count." }) },
    resolve: (_parent, { filter }, { db }) => {
      const { outcome, pattern } = attributions;
      const { failureCaseId } = tokenPairs;
      const condition = matching(filter);
      const cases = condition &&
        inArray(failureCaseId, db.select({ id: failureCases.id }).from(failureCases).where(condition));
      // Both tables are read by an index alone, and what is distinct is found by hashes: counted as distinct within each
      // group all of it would be sorted first.
      const diagnosed = db.selectDistinct({ outcome, pattern, failureCaseId }).from(attributions)
        .innerJoin(tokenPairs, eq(tokenPairs.id, attributions.tokenPairId))
        .where(and(isNotNull(outcome), cases)).as("diagnosed");
      return db.select({ outcome: diagnosed.outcome, pattern: diagnosed.pattern, count: count() }).from(diagnosed)
        .groupBy(diagnosed.outcome, diagnosed.pattern)
        .orderBy(asc(diagnosed.outcome), asc(diagnosed.pattern)) as Promise<DiagnosisCountRow[]>;
    },
  }));
