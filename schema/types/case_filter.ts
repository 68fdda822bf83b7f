/** Which failure cases: the filter of lists and of work that is asked for on all that a list shows. */
import { and, arrayContains, eq, type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { builder } from "./builder.ts";
import { InputError } from "./input_error.ts";
import { checkedJobId } from "./job_id.ts";
import { CaseStatus, ExclusionType, ResponseSource } from "./case_status.ts";
import { Range, withinRange } from "./lists.ts";
import { Outcome, Pattern } from "./outcome.ts";
import { Rule } from "./rule.ts";
import { attributions, failureCases, jobTasks, models, responses, searchText, tokenPairs } from "../tables/tables.ts";

/** What can be searched. */
export const SEARCHED = z.string().max(200).refine((text) => text.trim() !== "", {
  message: "there is nothing to search",
});

export const FailureCaseFilter = builder.inputType("FailureCaseFilter", {
  description: "Which failure cases to list; every condition given must hold.",
  fields: (t) => ({
    benchmark: t.string({ description: "Benchmark, exactly." }),
    task: t.string({ description: "Task within the benchmark, exactly." }),
    model: t.string({ description: "The model's name." }),
    key: t.string({ description: "The case's key, exactly." }),
    status: t.field({ type: CaseStatus, description: "What became of them." }),
    exclusion: t.field({ type: ExclusionType, description: "Why they are left out." }),
    source: t.field({ type: ResponseSource, description: "Where their answers come from." }),
    disagrees: t.boolean({ description: "Whether the log and our checker judge their answers differently." }),
    attributed: t.boolean({ description: "Whether one of their token pairs has an attribution, under any rule." }),
    rule: t.field({ type: Rule, description: "Backward rule that one of their token pairs is attributed under." }),
    outcome: t.field({ type: Outcome, description: "What the classifier says of where the failure shows." }),
    pattern: t.field({ type: Pattern, description: "What the classifier says of how it came about, exactly." }),
    job: t.globalID({ description: "A job that worked on one of their token pairs." }),
    delta: t.field({ type: Range, description: "Largest delta of the case's token pairs." }),
    tokens: t.field({ type: Range, description: "Tokens of prompt and prefix." }),
    search: t.string({
      description:
        "Text that their key, prompt, answer, wrong or right token holds, in capitals or not; of one or two " +
        "characters, a whole token as `token` finds it.",
      validate: SEARCHED,
    }),
    token: t.string({
      description: "Text of the wrong token, of the right one, or of one of the ten most relevant tokens of an " +
        "attribution; white space around it does not count.",
    }),
  }),
});
export type CaseFilter = typeof FailureCaseFilter.$inferInput;

/** Characters that the index of texts needs. */
const INDEXED = 3;

/** The filter as a condition. */
export function matchingCases(filter: CaseFilter | null | undefined, table: typeof failureCases): SQL {
  const { search } = filter ?? {};
  const isShort = search != null && [...search.trim()].length < INDEXED;
  const conditions: (SQL | undefined)[] = [
    filter?.benchmark != null ? eq(table.benchmark, filter.benchmark) : undefined,
    filter?.task != null ? eq(table.task, filter.task) : undefined,
    filter?.key != null ? eq(table.key, filter.key) : undefined,
    filter?.status != null ? eq(table.status, filter.status) : undefined,
    filter?.exclusion != null ? eq(table.exclusion, filter.exclusion) : undefined,
    filter?.source != null ? eq(table.source, filter.source) : undefined,
    filter?.model != null
      ? sql`${table.modelId} = (select ${models.id} from ${models} where ${models.name} = ${filter.model})`
      : undefined,
    filter?.disagrees != null
      ? sql`${sql.raw(filter.disagrees ? "" : "not")} exists (select 1 from ${responses}
          where ${responses.id} = ${table.responseId} and ${responses.disagrees})`
      : undefined,
    filter?.attributed != null ? attributed(table, sql`true`, filter.attributed) : undefined,
    ofAttribution(filter, table),
    filter?.job != null ? ofJob(filter.job, table) : undefined,
    isShort ? attributed(table, holdsToken(search)) : search != null ? holdsText(table, search) : undefined,
    ...withinRange(table.delta, filter?.delta),
    ...withinRange(table.tokenCount, filter?.tokens),
  ];
  return and(...conditions) ?? sql`true`;
}

/** What one and the same attribution of the case has to be. */
function ofAttribution(filter: CaseFilter | null | undefined, table: typeof failureCases): SQL | undefined {
  const condition = and(
    filter?.rule != null ? eq(attributions.rule, filter.rule) : undefined,
    filter?.outcome != null ? eq(attributions.outcome, filter.outcome) : undefined,
    filter?.pattern != null ? eq(attributions.pattern, filter.pattern) : undefined,
    filter?.token != null ? holdsToken(filter.token) : undefined,
  );
  return condition && attributed(table, condition);
}

/** Written so that the planner sees a join: as a comparison it would look at every attribution. */
function attributed(table: typeof failureCases, condition: SQL, wanted = true): SQL {
  return sql`${sql.raw(wanted ? "" : "not")} exists (select 1 from ${tokenPairs}
    inner join ${attributions} on ${attributions.tokenPairId} = ${tokenPairs.id}
    where ${tokenPairs.failureCaseId} = ${table.id} and ${condition})`;
}

function ofJob({ typename, id }: { readonly typename: string; readonly id: string }, table: typeof failureCases): SQL {
  if (typename !== "Job") throw new InputError(`it is the id of a ${typename}`, "job", "give the id of a job");
  return sql`exists (select 1 from ${jobTasks}
    inner join ${tokenPairs} on ${tokenPairs.id} = ${jobTasks.tokenPairId}
    where ${jobTasks.jobId} = ${checkedJobId(id, "job")} and ${tokenPairs.failureCaseId} = ${table.id})`;
}

const holdsToken = (token: string): SQL => arrayContains(attributions.keyTokens, [token.trim()]);

/** Written as the index of the table is. */
function holdsText(table: typeof failureCases, text: string): SQL {
  const pattern = `%${text.replaceAll(/[\\%_]/g, "\\$&")}%`;
  return sql`${searchText(table)} ilike ${pattern}`;
}
