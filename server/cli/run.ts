/** `culprit run`: marks, attributes, builds graphs, diagnoses and masks a selection of token pairs. */
import { InputError, RULES } from "../../gpu/mod.ts";
import { GRAPH_OPTIONS, MASKING_OPTIONS } from "../../schema/tables/analysis_values.ts";
import type { Services } from "../../schema/services/services.ts";
import { REPLACEMENTS } from "../masking/replacement.ts";
import { readSelection, selectedPairs, SELECTION_OPTIONS, SELECTION_USAGE } from "./selection.ts";
import { optionText, type Verb, type VerbContext } from "./verb.ts";
import type { JobTotals } from "./with_worker.ts";

const STAGES = ["mark", "attribute", "graph", "diagnose", "mask"] as const;
type Stage = (typeof STAGES)[number];

export const verb: Verb = {
  name: "run",
  summary: "Marks instructions, attributes, builds graphs, diagnoses and masks a selection; what is stored stays",
  usage:
    `run [--stages LIST] [--rule RULE] [--replacements LIST] [--budget N] [--max-tokens N] ${SELECTION_USAGE} [--json]`,
  example: "npx culprit run --model demo-1m --benchmark demo-ifeval --stages attribute,diagnose",
  options: {
    stages: { type: "string", value: "LIST", help: `of ${STAGES.join(",")}; in this order`, default: STAGES.join(",") },
    rule: { type: "string", value: "RULE", help: RULES.join(", "), default: "attnlrp" },
    replacements: {
      type: "string",
      value: "LIST",
      help: `how tokens are masked: of ${REPLACEMENTS.join(",")}`,
      default: MASKING_OPTIONS.replacements.join(","),
    },
    budget: { type: "string", value: "N", help: "tokens masked at most", default: String(MASKING_OPTIONS.budget) },
    "max-tokens": {
      type: "string",
      value: "N",
      help: "new tokens of a completion at a flip; 0: none is checked",
      default: String(MASKING_OPTIONS.rolloutTokens),
    },
    ...SELECTION_OPTIONS,
  },
  run,
};

async function run(context: VerbContext): Promise<void> {
  const [{ optionCount, refusePositionals }, { followJob, withWorker }] = await Promise.all([
    import("./model_session.ts"),
    import("./with_worker.ts"),
  ]);
  refusePositionals(context, verb.name);
  const stages = listOf(context, "stages", STAGES);
  const [rule = "attnlrp", ...rules] = listOf(context, "rule", RULES);
  if (rules.length > 0) throw new InputError("several rules are given", "--rule", "run once for each");
  const settings = {
    ...MASKING_OPTIONS,
    replacements: listOf(context, "replacements", REPLACEMENTS),
    budget: optionCount(context, "budget") ?? MASKING_OPTIONS.budget,
    rolloutTokens: optionCount(context, "max-tokens", 0) ?? MASKING_OPTIONS.rolloutTokens,
  };
  const selection = readSelection(context);
  await withWorker(context, async (session) => {
    const tokenPairIds = await selectedPairs(session.connection.db, selection);
    const totals: Partial<Record<Stage, JobTotals>> = {};
    const asked = { tokenPairIds, rule, idempotencyKey: undefined };
    const ask: Readonly<Record<Stage, (services: Services) => Promise<string>>> = {
      mark: (services) => services.markInstructions({ tokenPairIds, idempotencyKey: undefined }),
      attribute: (services) => services.attribute(asked),
      graph: (services) => services.buildGraph({ ...asked, options: GRAPH_OPTIONS }),
      diagnose: (services) => services.diagnose(asked),
      mask: (services) => services.runMasking({ tokenPairIds, settings, idempotencyKey: undefined }),
    };
    for (const stage of STAGES.filter((one) => stages.includes(one))) {
      totals[stage] = await followJob(context, session, await ask[stage](session.services), stage);
      if (!context.json) await context.out(describe(stage, totals[stage]));
    }
    const failed = Object.values(totals).reduce((sum, each) => sum + each.failed, 0);
    if (context.json) await context.out(`${JSON.stringify({ total: tokenPairIds.length, failed, stages: totals })}\n`);
    if (failed > 0) throw new Error(`${failed} tasks failed`);
  });
}

function listOf<Name extends string>(context: VerbContext, name: string, known: readonly Name[]): Name[] {
  const given = (optionText(context, name) ?? "").split(",").map((one) => one.trim());
  const wrong = given.find((one) => !(known as readonly string[]).includes(one));
  if (wrong === undefined) return [...new Set(given)] as Name[];
  throw new InputError(`${JSON.stringify(wrong)} is not known`, `--${name}`, `give of: ${known.join(", ")}`);
}

function describe(stage: Stage, { total, done, failed }: JobTotals): string {
  return `${stage.padEnd(9)} ${done} of ${total} token pairs done${failed > 0 ? `, ${failed} failed` : ""}\n`;
}
