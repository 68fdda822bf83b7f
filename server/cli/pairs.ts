/** `culprit pairs`: searches the token pairs of failed responses by the strict recovery criterion. */
import { and, count, eq, inArray } from "drizzle-orm";
import { InputError } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { failureCases } from "../../schema/tables/tables.ts";
import type { DecidedCase, PairSearchTotals } from "../search/parts.ts";
import { POSITION_RULES, type PositionRule } from "../search/criterion.ts";
import { COLLECT_COUNTS, COLLECT_OPTIONS, collectAll, describe } from "./collect.ts";
import { locateForVerb } from "./locate.ts";
import type { ModelSession } from "./model_session.ts";
import { optionText, requiredText, type Verb, type VerbContext } from "./verb.ts";
import { hang, textTable } from "./text_table.ts";

export const verb: Verb = {
  name: "pairs",
  summary: "Searches target and contrast of failed responses: forces alternatives, rolls out, checks",
  usage:
    "pairs --model NAME|MODEL [--collect NAME,...|--benchmark NAME,...|--reference NAME,...] [--sibling NAME|MODEL] " +
    "[--alternatives 10] " +
    "[--positions N] [--position-rule recovering|clean] [--batch N] [--export FILE] [--json]",
  example: "npx culprit pairs --model models/demo-1m --collect demo-ifeval,demo-math --max-tokens 96",
  options: {
    model: {
      type: "string",
      value: "NAME|MODEL",
      help: "a model that was added, or one to add: a folder, or a hub's ORG/NAME",
    },
    collect: {
      type: "string",
      value: "NAME|FILE,...",
      help: "benchmarks that the model is run over first, as collect does; only their failures are searched",
    },
    benchmark: { type: "string", value: "NAME,...", help: "only cases of these benchmarks; all if left out" },
    reference: {
      type: "string",
      value: "NAME|FILE,...",
      help: "benchmarks with solutions of their own: pairs where the model, at a place of a solution, would write " +
        "something else and then fails; no response of the model's is searched",
    },
    sibling: {
      type: "string",
      value: "NAME|MODEL",
      help: "a larger model of the family, whose alternatives are tried where none of the model's own recovers",
    },
    alternatives: { type: "string", value: "N", help: "best-ranked alternatives tried at a position", default: "10" },
    positions: { type: "string", value: "N", help: "positions visited at most, from the first; all if left out" },
    "position-rule": {
      type: "string",
      value: "RULE",
      help: "recovering: the earliest position that recovers decides; clean: the earliest that does with delta > 1",
      default: "recovering",
    },
    export: { type: "string", value: "FILE", help: "writes the clean pairs as lines of culprit/1" },
    ...COLLECT_OPTIONS,
    batch: { type: "string", value: "N", help: "rollouts that are decoded together", default: "256" },
  },
  run,
};

async function run(context: VerbContext): Promise<void> {
  const { checkCounts, optionNames, refusePositionals, withModelSession } = await import("./model_session.ts");
  refusePositionals(context, verb.name);
  checkCounts(context, [...COLLECT_COUNTS, "alternatives", "positions"]);
  const model = requiredText(context, verb, "model");
  const collecting = optionNames(context, "collect");
  const only = optionNames(context, "benchmark");
  if (collecting && only) {
    throw new InputError(
      "is not for use with --collect",
      "--benchmark",
      "leave it out: what was collected is searched",
    );
  }
  const references = optionNames(context, "reference");
  if (references) {
    if (collecting ?? only) {
      throw new InputError("is not for use with --collect and --benchmark", "--reference", "give one of them");
    }
    const { addReferencePairs } = await import("./reference_pairs.ts");
    return await withModelSession(context, model, (session) => addReferencePairs(context, session, references));
  }
  const rule = positionRule(context);
  await withModelSession(context, model, async (session) => {
    const collected = collecting ? await collectAll(context, session, collecting, "--collect") : [];
    session.bar.end();
    if (!context.json) await context.out(describe(collected));
    const benchmarks = collecting ? collected.map(({ benchmark }) => benchmark) : only ?? null;
    const started = performance.now();
    const totals = await search(context, session, benchmarks, rule);
    const seconds = (performance.now() - started) / 1000;
    session.bar.end();
    const file = optionText(context, "export");
    if (file !== undefined) await exportPairs(session, benchmarks, file);
    const table = await countCases(session.db, session.model.id, benchmarks);
    await context.out(
      context.json
        ? `${JSON.stringify({ total: totals.cases, ...totals, seconds, table })}\n`
        : report(table, totals, seconds),
    );
  });
}

async function exportPairs(
  { db, model }: ModelSession,
  benchmarks: readonly string[] | null,
  file: string,
): Promise<void> {
  const { culpritLines } = await import("../cases/export_pairs.ts");
  const lines: string[] = [];
  for await (const line of culpritLines(db, { modelId: model.id, benchmarks })) lines.push(`${line}\n`);
  try {
    await Deno.writeTextFile(file, lines.join(""));
  } catch (error) {
    throw new InputError(`it cannot be written: ${(error as Error).message}`, "--export", "give another path");
  }
}

function positionRule(context: VerbContext): PositionRule {
  const given = optionText(context, "position-rule");
  const rule = POSITION_RULES.find((one) => one === given);
  if (rule) return rule;
  throw new InputError(`${JSON.stringify(given)} is no rule`, "--position-rule", `give ${POSITION_RULES.join(" or ")}`);
}

async function search(
  context: VerbContext,
  session: ModelSession,
  benchmarks: readonly string[] | null,
  rule: PositionRule,
): Promise<PairSearchTotals> {
  const [{ searchOpenCases }, { findModel }, { optionCount }] = await Promise.all([
    import("../search/pair_search.ts"),
    import("../models/find_model.ts"),
    import("./model_session.ts"),
  ]);
  const { db, model, tokenizer, checkers, options, bar } = session;
  const siblingName = optionText(context, "sibling");
  const sibling = siblingName === undefined ? undefined : await findModel(db, siblingName, "--sibling", {
    locate: (text) => locateForVerb(context, text),
  });
  const loaded = await session.load(model);
  const siblingLoaded = sibling && await session.load(sibling);
  let cases = { done: 0, total: 0 };
  const show = (detail?: string) =>
    bar.update({ phase: "pairs", ...cases, ...(detail === undefined ? {} : { detail }) });
  return await searchOpenCases({
    benchmarks,
    alternatives: optionCount(context, "alternatives") ?? 10,
    positions: optionCount(context, "positions") ?? null,
    positionRule: rule,
    batch: optionCount(context, "batch") ?? 256,
  }, {
    db,
    model: { ...model, loaded },
    sibling: sibling && { ...sibling, loaded: siblingLoaded! },
    tokenizer,
    checkers,
    options: { ...options, onProgress: ({ phase, done, total }) => show(`${phase} ${done}/${total}`) },
    onWave: (_tx, { done, total }) => {
      cases = { done, total };
      show();
      return Promise.resolve();
    },
    onDecided: async (cases) => {
      if (context.json && cases.length > 0) await context.out(cases.map(caseLine).join(""));
    },
  });
}

function caseLine({ key, status, exclusion, note, pair }: DecidedCase): string {
  const found = pair && {
    position: pair.position,
    target: pair.target.id,
    contrast: pair.contrast.id,
    contrastRank: pair.contrastRank,
    delta: pair.delta,
    source: pair.source,
  };
  return `${
    JSON.stringify({ id: key, kind: "failureCase", status: "COMPLETED", result: status, exclusion, note, ...found })
  }\n`;
}

/** Cases of a benchmark by what became of them. */
interface TableRow {
  readonly benchmark: string;
  readonly failures: number;
  readonly open: number;
  readonly clean: number;
  readonly excluded: Readonly<Record<string, number>>;
}

async function countCases(
  db: Database,
  modelId: number,
  benchmarks: readonly string[] | null,
): Promise<readonly TableRow[]> {
  const { benchmark, status, exclusion } = failureCases;
  const rows = await db.select({ benchmark, status, exclusion, cases: count() }).from(failureCases)
    .where(and(eq(failureCases.modelId, modelId), benchmarks ? inArray(benchmark, [...benchmarks]) : undefined))
    .groupBy(benchmark, status, exclusion).orderBy(benchmark, exclusion);
  return [...new Set(rows.map((row) => row.benchmark))].map((name) => {
    const own = rows.filter((row) => row.benchmark === name);
    const sum = (wanted: string) => own.filter((row) => row.status === wanted).reduce((all, row) => all + row.cases, 0);
    return {
      benchmark: name,
      failures: own.reduce((all, row) => all + row.cases, 0),
      open: sum("open"),
      clean: sum("clean"),
      excluded: Object.fromEntries(own.flatMap((row) => row.exclusion === null ? [] : [[row.exclusion, row.cases]])),
    };
  });
}

function report(table: readonly TableRow[], { cases, undecided, counts }: PairSearchTotals, seconds: number): string {
  const reasons = [...new Set(table.flatMap(({ excluded }) => Object.keys(excluded)))].sort();
  const header = ["benchmark", "failures", "clean", ...reasons, "open"];
  const rows = table.map(({ benchmark, failures, clean, excluded, open }) =>
    [benchmark, failures, clean, ...reasons.map((reason) => excluded[reason] ?? 0), open].map(String)
  );
  const { positions, alternatives, rollouts, tokens, waves } = counts;
  const done = `${cases} cases in ${seconds.toFixed(1)} s: ${positions} positions, ${alternatives} alternatives, ` +
    `${rollouts} rollouts of ${tokens} tokens, ${waves} waves`;
  // Reasons are names of the API: they are broken where their words begin.
  const named = header.map((name) => name.replaceAll("_", " "));
  return `${textTable([named, ...rows])}\n${hang(done, 2)}\n` +
    (undecided === 0 ? "" : `${undecided} wait for another vote: their annotators disagree\n`);
}
