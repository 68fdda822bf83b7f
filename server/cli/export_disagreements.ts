/** `culprit export disagreements`: the responses that log and checker judge differently. */
import { and, asc, eq } from "drizzle-orm";
import { models, responses } from "../../schema/tables/tables.ts";
import type { Verdict } from "../../schema/tables/values.ts";
import { optionText, type Verb, type VerbContext } from "./verb.ts";

export const exportDisagreements: Verb = {
  name: "export disagreements",
  summary: "Lists the responses that the log and our checker judge differently, and whose word counts",
  usage: "export disagreements [--model NAME] [--benchmark NAME] [--json]",
  example: "npx culprit export disagreements --benchmark minerva_math_algebra",
  options: {
    model: { type: "string", value: "NAME", help: "only responses of this model" },
    benchmark: { type: "string", value: "NAME", help: "only responses to this benchmark" },
  },
  run,
};

/** Responses that are read at once. */
const PAGE = 1000;

async function run(context: VerbContext): Promise<void> {
  const [{ refusePositionals }, { withDatabase }] = await Promise.all([
    import("./model_session.ts"),
    import("./with_database.ts"),
  ]);
  refusePositionals(context, exportDisagreements.name);
  const [model, benchmark] = [optionText(context, "model"), optionText(context, "benchmark")];
  let total = 0;
  await withDatabase(async ({ db }) => {
    for (let offset = 0;; offset += PAGE) {
      const rows = await db.select({
        key: responses.key,
        benchmark: responses.benchmark,
        task: responses.task,
        model: models.name,
        verdict: responses.verdict,
      }).from(responses).innerJoin(models, eq(models.id, responses.modelId)).where(and(
        eq(responses.disagrees, true),
        model === undefined ? undefined : eq(models.name, model),
        benchmark === undefined ? undefined : eq(responses.benchmark, benchmark),
      )).orderBy(asc(responses.createdAt), asc(responses.id)).limit(PAGE).offset(offset);
      total += rows.length;
      await context.out(rows.map((row) => lineOf(row, context.json)).join(""));
      if (rows.length < PAGE) break;
    }
  });
  await context.out(context.json ? `${JSON.stringify({ total })}\n` : `${total} disagreements\n`);
}

interface Row {
  readonly key: string;
  readonly benchmark: string;
  readonly task: string;
  readonly model: string;
  readonly verdict: Verdict | null;
}

function lineOf({ verdict, ...row }: Row, json: boolean): string {
  const counts = String(verdict?.detail?.["counts"]);
  const passed = verdict?.passed ?? null;
  // There are two verdicts, and they differ: the one that does not count is the other one.
  const [log, checker] = counts === "log" ? [passed, !passed] : [!passed, passed];
  if (json) {
    const line = { id: row.key, kind: "response", status: "COMPLETED", ...row, counts, log, checker };
    return `${JSON.stringify({ ...line, reason: verdict?.reason ?? null })}\n`;
  }
  const word = (one: boolean | null) => one ? "passed" : "failed";
  return `${row.key}  ${row.model}: log ${word(log)}, checker ${word(checker)}; the ${counts}'s counts\n`;
}
