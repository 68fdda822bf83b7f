/** What a job is about, in words, and asking for the same again. */
import { eq } from "drizzle-orm";
import { InputError } from "./input_error.ts";
import { builder } from "./builder.ts";
import type { Context } from "../services/services.ts";
import { Job } from "./job.ts";
import { checkedJobId } from "./job_id.ts";
import { found } from "./rows.ts";
import { benchmarks, models } from "../tables/tables.ts";
import type { Rule } from "../tables/rules.ts";
import type { JobInput } from "../tables/values.ts";

const RULE_NAMES: Readonly<Record<Rule, string>> = {
  attnlrp: "AttnLRP",
  cplrp: "CP-LRP",
  gradient: "gradient × input",
};

type Pairs = readonly number[] | "missing" | "clean";

function pairsOf(pairs: Pairs): string {
  if (pairs === "missing") return "all token pairs";
  if (pairs === "clean") return "all clean token pairs";
  return `${pairs.length} token pair${pairs.length === 1 ? "" : "s"}`;
}

async function nameOf(
  { db }: Context,
  table: typeof models | typeof benchmarks,
  id: number,
): Promise<string | undefined> {
  const [row] = await db.select({ name: table.name }).from(table).where(eq(table.id, id));
  return row?.name;
}

/** What a job of old needs once more. Throws InputError when it is no longer there. */
function there(name: string | undefined): string {
  if (name === undefined) throw new InputError("what it worked on is no longer there", "retryJob", "ask for it anew");
  return name;
}

/** Rule, benchmark, model or file of a job, in a few words. */
async function about(input: JobInput, context: Context): Promise<string> {
  switch (input.kind) {
    case "attribute":
    case "diagnose":
    case "build_graph": {
      const heads = input.kind === "build_graph" && input.options.heads ? " by head" : "";
      return `${RULE_NAMES[input.rule]}${heads}, ${pairsOf(input.tokenPairIds)}`;
    }
    case "mask":
      return "chosen" in input
        ? `${input.chosen.length} chosen tokens, ${input.replacement}`
        : `${input.settings.replacements.join(", ")}, ${pairsOf(input.tokenPairIds)}`;
    case "ablate":
      return `${input.settings.units.join(", ")}, ${pairsOf(input.tokenPairIds)}`;
    case "explain_objective":
      return `${input.objective.kind}, ${RULE_NAMES[input.rule]}, ${pairsOf(input.tokenPairIds)}`;
    case "trace":
      return `${RULE_NAMES[input.rule]}, ${pairsOf(input.tokenPairIds)}`;
    case "export_preferences":
      return `${input.formula}, ${pairsOf(input.tokenPairIds)}`;
    case "mark":
      return pairsOf(input.tokenPairIds);
    case "import":
      return input.name;
    case "fetch_model":
      return input.model;
    case "generate":
    case "explain":
      return await nameOf(context, models, input.modelId) ?? "a model";
    case "collect": {
      const model = await nameOf(context, models, input.modelId);
      return [await nameOf(context, benchmarks, input.benchmarkId), model].filter(Boolean).join(", ");
    }
    case "find_pairs": {
      const model = await nameOf(context, models, input.modelId);
      return [input.benchmarks?.join(", ") ?? "all benchmarks", model].filter(Boolean).join(", ");
    }
    case "study": {
      const study = await context.db.query.studies.findFirst({ columns: { name: true }, where: { id: input.studyId } });
      return `${study?.name ?? "a study"}, ${RULE_NAMES[input.rule]}`;
    }
  }
}

/** Asks for the same work; what is stored already is not done again. Returns the new job's id. */
async function again(input: JobInput, context: Context): Promise<string> {
  const { services } = context;
  const idempotencyKey = undefined;
  switch (input.kind) {
    case "attribute":
      return await services.attribute({ ...input, idempotencyKey });
    case "build_graph":
      return await services.buildGraph({ ...input, idempotencyKey });
    case "diagnose":
      return await services.diagnose({ ...input, idempotencyKey });
    case "explain_objective":
      return await services.explainObjective({ ...input, idempotencyKey });
    case "trace":
      return await services.trace({ ...input, idempotencyKey });
    case "export_preferences":
      return await services.exportPreferences({ ...input, idempotencyKey });
    case "mark":
      return await services.markInstructions({ ...input, idempotencyKey });
    case "mask": {
      if (!("chosen" in input)) return await services.runMasking({ ...input, idempotencyKey });
      return await services.maskTokens(
        found(input.tokenPairIds[0]),
        input.chosen,
        input.replacement,
        input.rolloutTokens ?? 0,
      );
    }
    case "ablate":
      return await services.runAblation({ ...input, idempotencyKey });
    case "generate":
    case "explain":
      throw new InputError("it answered a prompt", "retryJob", "ask again");
    case "fetch_model":
      return await services.fetchModel({ model: input.model, name: input.name ?? undefined, idempotencyKey });
    case "import":
      if (input.uploadHash !== null) {
        throw new InputError("the upload was removed when its import ended", "retryJob", "choose the file again");
      }
      return await services.importFailureCases({
        file: undefined,
        path: input.path,
        idempotencyKey,
        ...(input.choices === undefined ? {} : { choices: input.choices }),
      });
    case "collect": {
      const model = there(await nameOf(context, models, input.modelId));
      const benchmark = there(await nameOf(context, benchmarks, input.benchmarkId));
      return await services.collectFailures({ promptTemplate: undefined, ...input, model, benchmark, idempotencyKey });
    }
    case "find_pairs": {
      if (input.failureCaseId !== undefined) {
        throw new InputError("it looked at what annotators said of one case", "retryJob", "annotate the case again");
      }
      const model = there(await nameOf(context, models, input.modelId));
      const sibling = input.siblingId === null ? null : there(await nameOf(context, models, input.siblingId));
      return await services.findTokenPairs({ ...input, model, sibling, idempotencyKey });
    }
    case "study": {
      const study = await context.db.query.studies.findFirst({
        columns: { name: true },
        where: { id: input.studyId },
        with: { series: { columns: { name: true } } },
      });
      return await services.runStudy({
        series: there(study?.series?.name),
        name: there(study?.name),
        rule: input.rule,
        pairs: input.pairs,
        idempotencyKey,
      });
    }
  }
}

builder.drizzleObjectFields(Job, (t) => ({
  about: t.string({
    description: "Rule, benchmark, model or file that it works on, in a few words.",
    select: { columns: { input: true } },
    resolve: ({ input }, _args, context) => about(input, context),
  }),
}));

builder.mutationField("retryJob", (t) =>
  t.drizzleField({
    type: Job,
    description: "Asks once more for what a failed or cancelled job was asked, as a new job. What is stored stays.",
    errors: { types: [InputError], union: { name: "RetryJobResult", description: "The new job, or what was wrong." } },
    args: { id: t.arg.globalID({ for: Job, required: true, description: "The id of the job that ended." }) },
    resolve: async (query, _parent, args, context) => {
      const job = await context.db.query.jobs.findFirst({
        columns: { input: true, status: true },
        where: { id: checkedJobId(args.id.id, "retryJob") },
      });
      if (job === undefined) throw new InputError("there is no such job", "retryJob", "give an id of another query");
      if (job.status !== "failed" && job.status !== "cancelled") {
        throw new InputError(`the job is ${job.status}`, "retryJob", "only failed and cancelled jobs are asked again");
      }
      const id = await again(job.input, context);
      return found(await context.db.query.jobs.findFirst(query({ where: { id } })));
    },
  }));
