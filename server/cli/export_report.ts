/** `culprit export report`: the tables and figures of a selection, or one case, as one HTML page. */
import { type Unit, UNITS } from "../../figures/units.ts";
import { InputError, type Rule, RULES } from "../../gpu/mod.ts";
import { checkWritable, writeFile } from "./export_preferences.ts";
import { readSelection, SELECTION_OPTIONS, SELECTION_USAGE } from "./selection.ts";
import { optionText, requiredText, type Verb, type VerbContext } from "./verb.ts";

export const exportReport: Verb = {
  name: "export report",
  summary: "Writes tables and figures of a selection as one HTML page that needs no network",
  usage:
    `export report --out FILE.html [--case KEY [--unit UNIT]] [--study NAME] [--rule RULE] [--seed N] ${SELECTION_USAGE} [--json]`,
  example: "npx culprit export report --model demo-1m --out report.html",
  options: {
    out: { type: "string", value: "FILE.html", help: "the file to write" },
    case: { type: "string", value: "KEY", help: "only this case, by its whole key: heatmap, graph, masking" },
    unit: { type: "string", value: "UNIT", help: `with --case: ${UNITS.join(", ")}`, default: UNITS[0] },
    study: { type: "string", value: "NAME", help: "the study to show; none if left out" },
    rule: { type: "string", value: "RULE", help: RULES.join(", "), default: "attnlrp" },
    seed: { type: "string", value: "N", help: "seed of bootstrap intervals", default: "1" },
    ...SELECTION_OPTIONS,
  },
  run,
};

async function run(context: VerbContext): Promise<void> {
  const [{ optionCount, refusePositionals }, { withDatabase }] = await Promise.all([
    import("./model_session.ts"),
    import("./with_database.ts"),
  ]);
  refusePositionals(context, exportReport.name);
  const file = requiredText(context, exportReport, "out");
  await checkWritable(file);
  const given = optionText(context, "rule");
  const rule = RULES.find((one) => one === given);
  if (!rule) throw new InputError(`${JSON.stringify(given)} is no rule`, "--rule", `give one of: ${RULES.join(", ")}`);
  const seed = optionCount(context, "seed", 0) ?? 1;
  const selection = readSelection(context);
  const study = optionText(context, "study");
  const key = optionText(context, "case");
  const unit = unitOf(context);
  if (key !== undefined) return await writeCase(context, { file, key, rule, unit, model: selection.model });
  const [{ readReport }, { reportPage }, { checkModel }] = await Promise.all([
    import("../report/read_report.ts"),
    import("../report/page.tsx"),
    import("../jobs/pair_selection.ts"),
  ]);
  const report = await withDatabase(async ({ db }) => {
    await checkModel(db, selection.model, "--model");
    return await readReport(db, { selection, rule, study, seed });
  });
  if (study !== undefined && report.studyPart === null) {
    throw new InputError(`there is no study ${JSON.stringify(study)}`, "--study", "give one that was run");
  }
  await writeFile(file, reportPage(report));
  const { pairs, attributed } = report;
  const line = { id: file, kind: "report", status: "COMPLETED", pairs, attributed };
  await context.out(
    context.json
      ? `${JSON.stringify(line)}\n${JSON.stringify({ total: 1, file })}\n`
      : `${pairs} token pairs, ${attributed} attributed: ${file}\n`,
  );
}

function unitOf(context: VerbContext): Unit {
  const given = optionText(context, "unit");
  const unit = UNITS.find((one) => one === given);
  if (unit) return unit;
  throw new InputError(`${JSON.stringify(given)} is no unit`, "--unit", `give one of: ${UNITS.join(", ")}`);
}

/** One case as a page. */
async function writeCase(
  context: VerbContext,
  { file, key, rule, unit, model }: {
    readonly file: string;
    readonly key: string;
    readonly rule: Rule;
    readonly unit: Unit;
    readonly model: string | null;
  },
): Promise<void> {
  const [{ withDatabase }, { readCaseReport }, { casePage }, { and, eq }, { failureCases, models }] = await Promise.all(
    [
      import("./with_database.ts"),
      import("../report/read_case_report.ts"),
      import("../report/case_page.tsx"),
      import("drizzle-orm"),
      import("../../schema/tables/tables.ts"),
    ],
  );
  const own = and(eq(failureCases.key, key), model === null ? undefined : eq(models.name, model))!;
  const report = await withDatabase(({ db }) => readCaseReport(db, own, null, rule));
  await writeFile(file, casePage(report, unit));
  const line = { id: file, kind: "case", status: "COMPLETED", key };
  await context.out(
    context.json ? `${JSON.stringify(line)}\n${JSON.stringify({ total: 1, file })}\n` : `${key}: ${file}\n`,
  );
}
