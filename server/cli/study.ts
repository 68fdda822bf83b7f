/** `culprit study`: the same token pairs attributed on every member of a series of models. */
import { stat } from "node:fs/promises";
import { InputError, type Rule, RULES } from "../../gpu/mod.ts";
import type { StudyMovementRow } from "../../schema/services/studies.ts";
import type { StudySummary } from "../studies/summary.ts";
import { optionText, requiredText, type Verb, type VerbContext } from "./verb.ts";
import { hang, textTable } from "./text_table.ts";

export const verb: Verb = {
  name: "study",
  summary: "Attributes the same token pairs on every model of a series, and says which failures a later one corrects",
  usage: "study --series NAME|FILE[#NAME] [--name NAME] [--selection clean] [--benchmark NAME] [--model NAME] " +
    "[--rule attnlrp|cplrp|gradient] [--x LABEL] [--y LABEL] [--seed N] [--json]",
  example: "npx culprit study --series models/series.json#demo-checkpoints --model demo-1m",
  options: {
    series: {
      type: "string",
      value: "NAME|FILE[#NAME]",
      help: "a series that was added, or a JSON file of series; #NAME picks one of several",
    },
    name: { type: "string", value: "NAME", help: "the study's name; a study of this name goes on" },
    selection: { type: "string", value: "clean", help: "adds all clean pairs; a new study has them anyway" },
    benchmark: { type: "string", value: "NAME", help: "only clean pairs of this benchmark" },
    model: {
      type: "string",
      value: "NAME",
      help: "only clean pairs of this model's cases; of all members if left out",
    },
    rule: { type: "string", value: "RULE", help: RULES.join(", "), default: "attnlrp" },
    x: { type: "string", value: "LABEL", help: "the member to compare from; the first if left out" },
    y: { type: "string", value: "LABEL", help: "the member to compare with; the last if left out" },
    seed: { type: "string", value: "N", help: "seed of the bootstrap", default: "1" },
  },
  run,
};

async function run(context: VerbContext): Promise<void> {
  const [{ optionCount, refusePositionals }, { followJob, withWorker }] = await Promise.all([
    import("./model_session.ts"),
    import("./with_worker.ts"),
  ]);
  refusePositionals(context, verb.name);
  const series = requiredText(context, verb, "series");
  const rule = ruleOf(context);
  const selection = optionText(context, "selection");
  if (selection !== undefined && selection !== "clean") {
    throw new InputError(`${JSON.stringify(selection)} is no selection`, "--selection", "give clean");
  }
  const [benchmark, model] = [optionText(context, "benchmark"), optionText(context, "model")];
  const seed = optionCount(context, "seed", 0) ?? 1;
  const compare = { x: optionText(context, "x"), y: optionText(context, "y"), seed };
  const file = await seriesFile(series);
  await withWorker(context, async (session) => {
    const { createStudyJob, studyMovements, studySummary } = await import("../studies/study_job.ts");
    const { db } = session.connection;
    const { id, studyId } = await createStudyJob(db, session.boss, {
      series: file ? await storedName(session.connection.db, file) : series,
      name: optionText(context, "name"),
      rule,
      pairs: selection !== undefined || benchmark !== undefined || model !== undefined
        ? { benchmark: benchmark ?? null, model: model ?? null }
        : null,
      idempotencyKey: undefined,
    });
    const totals = await followJob(context, session, id, "study");
    const summary = await studySummary(db, studyId, compare);
    const movements = await studyMovements(db, studyId, { from: compare.x, seed });
    await context.out(
      context.json
        ? `${JSON.stringify({ ...totals, summary, movements })}\n`
        : describe(summary) + describeMovements(movements),
    );
    if (totals.failed > 0) throw new Error(`${totals.failed} of ${totals.total} attributions failed`);
  });
}

function ruleOf(context: VerbContext): Rule {
  const given = optionText(context, "rule");
  const rule = RULES.find((one) => one === given);
  if (rule) return rule;
  throw new InputError(`${JSON.stringify(given)} is no rule`, "--rule", `give one of: ${RULES.join(", ")}`);
}

/** A file of series, and which of them is meant. */
interface SeriesFile {
  readonly path: string;
  readonly name: string | undefined;
}

/** The file that a series is given by, PATH or PATH#NAME; null where it is a stored one's name. */
async function seriesFile(given: string): Promise<SeriesFile | null> {
  const [path = "", name] = given.split("#");
  if (await stat(path).then((info) => info.isFile(), () => false)) return { path, name };
  if (!path.endsWith(".json")) return null;
  throw new InputError(`${path} cannot be read`, "--series", "give a JSON file of series, or the name of a stored one");
}

/** The name of the series that was meant; the file's series are stored first. */
async function storedName(
  db: Parameters<typeof import("../studies/series_file.ts").readSeriesFile>[0],
  { path, name }: SeriesFile,
): Promise<string> {
  const { readSeriesFile } = await import("../studies/series_file.ts");
  const stored = await readSeriesFile(db, path);
  const found = name === undefined && stored.length === 1 ? stored[0] : stored.find((one) => one.name === name);
  if (found) return found.name;
  throw new InputError(
    name === undefined ? `the file has ${stored.length} series` : `the file has no series ${JSON.stringify(name)}`,
    "--series",
    `give one of: ${stored.map((one) => `${path}#${one.name}`).join(", ")}`,
  );
}

const number = (value: number | undefined) => value === undefined ? "-" : value.toFixed(2);

function describe({ x, y, pairs, both, all, counts, members }: StudySummary): string {
  const rows = members.map(({ label, attributed, delta, failing, segments }) => {
    const means = segments[0]?.means;
    return [
      label,
      String(attributed),
      delta === null ? "-" : `${delta.value.toFixed(2)} [${delta.low.toFixed(2)}, ${delta.high.toFixed(2)}]`,
      failing === null ? "-" : `${(100 * failing).toFixed(0)} %`,
      number(means?.instruction),
      number(means?.query),
      number(means?.answer),
    ];
  });
  const head = ["member", "pairs", "mean delta [95 %]", "delta > 1", "instruction", "query", "answer"];
  return [
    `${pairs} pairs; mean deltas are over the ${all} that every member has`,
    "",
    textTable([head, ...rows], { right: () => false, indent: 2 }),
    hang(
      `${x} against ${y}, ${both} pairs: ${counts.corrected} corrected, ${counts.not_corrected} not corrected, ` +
        `${counts.undecided} undecided`,
      2,
    ),
    "",
  ].join("\n");
}

/** How far relevance moves from the first of two members to each other. */
function describeMovements(movements: readonly StudyMovementRow[]): string {
  return movements.map(({ from, label, pairs, counts, moved, most }) =>
    moved === null ? "" : `${from} to ${label}, ${pairs} pairs: ${counts.corrected} failures are its own; ` +
      `${(100 * moved.value).toFixed(1)} % of the relevance moves [${(100 * moved.low).toFixed(1)}, ` +
      `${(100 * moved.high).toFixed(1)}], most in ${most[0]!.key} (${(100 * most[0]!.moved).toFixed(1)} %)\n`
  ).join("");
}
