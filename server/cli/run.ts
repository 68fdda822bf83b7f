/** `culprit run`: marks, attributes, builds graphs, diagnoses, masks and ablates a selection of token pairs. */
import { InputError, RULES } from "../../gpu/mod.ts";
import { GRAPH_OPTIONS, MASKING_OPTIONS } from "../../schema/tables/analysis_values.ts";
import type { Services } from "../../schema/services/services.ts";
import { ABLATION_OPTIONS, type AblationOptions } from "../../schema/tables/ablation_values.ts";
import { ABLATION_RANKINGS, UNITS } from "../ablation/ranking.ts";
import { REPLACEMENTS } from "../masking/replacement.ts";
import { ascending } from "./mask_arguments.ts";
import { readSelection, selectedPairs, SELECTION_OPTIONS, SELECTION_USAGE } from "./selection.ts";
import { optionText, type Verb, type VerbContext } from "./verb.ts";
import type { JobTotals } from "./with_worker.ts";

const STAGES = ["mark", "attribute", "graph", "diagnose", "mask", "ablate"] as const;
/** Stages of when nothing is said: ablation takes as long as all of them. */
const USUAL = STAGES.filter((stage) => stage !== "ablate").join(",");
type Stage = (typeof STAGES)[number];

export const verb: Verb = {
  name: "run",
  summary: "Marks instructions, attributes, builds graphs, diagnoses and masks a selection; what is stored stays",
  usage: "run [--stages LIST] [--rule RULE] [--replacements LIST] [--budget N] [--max-tokens N] [--heads LIST] " +
    `[--neurons LIST] [--rankings LIST] ${SELECTION_USAGE} [--json]`,
  example: "npx culprit run --model demo-1m --benchmark demo-ifeval --stages attribute,diagnose",
  options: {
    stages: { type: "string", value: "LIST", help: `of ${STAGES.join(",")}; in this order`, default: USUAL },
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
    heads: {
      type: "string",
      value: "LIST",
      help: "ablate: how many heads at each step; 0: none",
      default: ABLATION_OPTIONS.counts.heads.join(","),
    },
    neurons: {
      type: "string",
      value: "LIST",
      help: "ablate: how many neurons at each step; 0: none",
      default: ABLATION_OPTIONS.counts.neurons.join(","),
    },
    rankings: {
      type: "string",
      value: "LIST",
      help: `ablate: what orders them, of ${ABLATION_RANKINGS.join(",")}`,
      default: ABLATION_RANKINGS.join(","),
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
  const ablation = ablationOf(context);
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
      ablate: (services) => services.runAblation({ tokenPairIds, settings: ablation, idempotencyKey: undefined }),
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

function ablationOf(context: VerbContext): AblationOptions {
  const units = UNITS.filter((unit) => optionText(context, unit) !== "0");
  if (units.length === 0) throw new InputError("are both 0", "--heads, --neurons", "give counts of one of them");
  const counts = (unit: (typeof UNITS)[number]) =>
    units.includes(unit) ? ascending(optionText(context, unit) ?? "", unit) : [];
  return {
    ...ABLATION_OPTIONS,
    units,
    rankings: listOf(context, "rankings", ABLATION_RANKINGS),
    counts: { heads: counts("heads"), neurons: counts("neurons") },
  };
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
