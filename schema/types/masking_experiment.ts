/** MaskingExperiment: tokens masked one after another until the prediction flips. */
import { and, eq, like, type SQL, sql } from "drizzle-orm";
import { maskingExperiments } from "../tables/analysis_tables.ts";
import { failureCases, models, tokenPairs } from "../tables/tables.ts";
import { builder, pageCost } from "./builder.ts";
import { Direction, direction } from "./lists.ts";
import { Ranking, Replacement, Scope } from "./masking_choices.ts";
import { Model } from "./model.ts";
import { TokenPair } from "./token_pair.ts";

interface StepRow {
  readonly masked: number;
  readonly position: number | null;
  readonly delta: number;
  readonly probability: number;
  readonly argmax: number;
  readonly argmaxText: string;
}

const MaskingStep = builder.objectRef<StepRow>("MaskingStep").implement({
  description: "What the model predicts with some tokens masked.",
  fields: (t) => ({
    masked: t.exposeInt("masked", { description: "Tokens masked." }),
    position: t.exposeInt("position", { nullable: true, description: "The token masked last; null for none." }),
    delta: t.exposeFloat("delta", { description: "logit[target] - logit[contrast]" }),
    probability: t.exposeFloat("probability", { description: "Of the target, after softmax." }),
    argmax: t.exposeInt("argmax", { description: "Id of the token that the model would write." }),
    argmaxText: t.exposeString("argmaxText", { description: "Its text." }),
  }),
});

interface RolloutRow {
  readonly masked: number;
  readonly text: string;
  readonly passed: boolean | null;
}

const MaskingRollout = builder.objectRef<RolloutRow>("MaskingRollout").implement({
  description: "What the model would write with some tokens masked.",
  fields: (t) => ({
    masked: t.exposeInt("masked", { description: "Tokens masked." }),
    text: t.exposeString("text", { description: "From the token in the place of the target on." }),
    passed: t.exposeBoolean("passed", {
      nullable: true,
      description: "Whether the answer with it passes; null where that cannot be checked.",
    }),
  }),
});

const flip = (what: string) => `Fewest tokens masked until ${what}; null where that did not come within the budget.`;

export const MaskingExperiment = builder.drizzleNode("maskingExperiments", {
  name: "MaskingExperiment",
  description: "Tokens masked one after another in the order of a ranking, while the prediction is watched.",
  id: { column: (experiment) => experiment.id },
  select: { columns: {} },
  fields: (t) => ({
    tokenPair: t.relation("tokenPair", { type: TokenPair, description: "The pair that it is about." }),
    model: t.relation("model", { type: Model, description: "The model that computed it." }),
    ranking: t.field({
      type: Ranking,
      description: "What ordered the tokens.",
      select: { columns: { ranking: true } },
      resolve: ({ ranking }) => (ranking.startsWith("chosen") ? "chosen" : ranking) as typeof Ranking.$inferType,
    }),
    replacement: t.field({
      type: Replacement,
      description: "What stood for masked tokens.",
      select: { columns: { replacement: true } },
      resolve: ({ replacement }) => replacement as typeof Replacement.$inferType,
    }),
    scope: t.field({
      type: Scope,
      description: "Which tokens could be masked.",
      select: { columns: { answerToo: true } },
      resolve: ({ answerToo }) => answerToo ? "all" as const : "prompt" as const,
    }),
    seed: t.exposeInt("seed", { description: "Seed of a random ranking, 0 for the others." }),
    budget: t.exposeInt("budget", { description: "Tokens masked at most." }),
    flipAway: t.exposeInt("flipAway", {
      nullable: true,
      description: flip("the model would not write the target any more"),
    }),
    flipToContrast: t.exposeInt("flipToContrast", {
      nullable: true,
      description: flip("the model would write the contrast"),
    }),
    flipToPass: t.exposeInt("flipToPass", {
      nullable: true,
      description: flip("the completion passes the checker") + " Null too where nothing checks it.",
    }),
    comprehensiveness: t.exposeFloat("comprehensiveness", {
      nullable: true,
      description: "Mean loss of the target's probability over ERASER's shares of top-ranked tokens masked.",
    }),
    sufficiency: t.exposeFloat("sufficiency", {
      nullable: true,
      description: "Mean loss of the target's probability with all but these shares masked.",
    }),
    steps: t.field({
      type: [MaskingStep],
      description: "The curve: 0 tokens masked, then 1, up to the budget.",
      complexity: { field: 1, multiplier: 4 },
      select: { columns: { curve: true }, with: { model: { columns: { directory: true } } } },
      resolve: async ({ curve, model }, _args, context) => {
        const texts = await context.services.showTokens(model.directory, curve.steps.map(({ argmax }) => argmax));
        return curve.steps.map((step, masked) => ({
          ...step,
          masked,
          position: masked === 0 ? null : curve.order[masked - 1] ?? null,
          argmaxText: texts[masked]?.text ?? "",
        }));
      },
    }),
    rollouts: t.field({
      type: [MaskingRollout],
      description: "What the model would write, at flips and where it was asked for.",
      complexity: { field: 1, multiplier: 2 },
      select: { columns: { curve: true }, with: { model: { columns: { directory: true } } } },
      resolve: async ({ curve, model }, _args, context) =>
        await Promise.all(curve.rollouts.map(async ({ tokens, ids, passed }) => ({
          masked: tokens,
          passed,
          text: (await context.services.showTokens(model.directory, ids)).map(({ text }) => text).join(""),
        }))),
    }),
    adapter: t.exposeString("adapter", { description: "Adapter that computed it, in its driver's words." }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was computed." }),
  }),
});

builder.drizzleObjectFields(TokenPair, (t) => ({
  maskingExperiments: t.relation("maskingExperiments", {
    type: MaskingExperiment,
    description: "The pair's masking experiments, newest first, 100 at most.",
    complexity: { field: 1, multiplier: 5 },
    query: { orderBy: { id: "desc" }, limit: 100 },
  }),
}));

export const MaskingFilter = builder.inputType("MaskingExperimentFilter", {
  description: "Which masking experiments; every condition given must hold.",
  fields: (t) => ({
    benchmark: t.string({ description: "Benchmark of the failure case, exactly." }),
    model: t.string({ description: "Name of the model that computed it." }),
    ranking: t.field({ type: Ranking, description: "What ordered the tokens." }),
    replacement: t.field({ type: Replacement, description: "What stood for masked tokens." }),
    scope: t.field({ type: Scope, description: "Which tokens could be masked." }),
    budget: t.int({ description: "Tokens masked at most." }),
  }),
});
export type MaskingFilter = typeof MaskingFilter.$inferInput;

/** The filter as a condition. */
export function maskingCondition(filter: MaskingFilter | null | undefined, table: typeof maskingExperiments): SQL {
  return and(
    filter?.ranking === "chosen"
      ? like(table.ranking, "chosen:%")
      : filter?.ranking != null
      ? eq(table.ranking, filter.ranking)
      : undefined,
    filter?.replacement != null ? eq(table.replacement, filter.replacement) : undefined,
    filter?.scope != null ? eq(table.answerToo, filter.scope === "all") : undefined,
    filter?.budget != null ? eq(table.budget, filter.budget) : undefined,
    filter?.model != null
      ? sql`${table.modelId} = (select ${models.id} from ${models} where ${models.name} = ${filter.model})`
      : undefined,
    filter?.benchmark != null
      ? sql`exists (select 1 from ${tokenPairs}
          inner join ${failureCases} on ${failureCases.id} = ${tokenPairs.failureCaseId}
          where ${tokenPairs.id} = ${table.tokenPairId} and ${failureCases.benchmark} = ${filter.benchmark})`
      : undefined,
  ) ?? sql`true`;
}

builder.queryField("maskingExperiments", (t) =>
  t.drizzleConnection(
    {
      type: MaskingExperiment,
      description: "Masking experiments, newest first when nothing else is said.",
      complexity: pageCost,
      args: {
        filter: t.arg({ type: MaskingFilter, description: "Which to list." }),
        direction: t.arg({ type: Direction, description: "By time; DESC when nothing is said." }),
      },
      totalCount: (_parent, { filter }, context) =>
        context.db.$count(maskingExperiments, maskingCondition(filter, maskingExperiments)),
      resolve: (query, _parent, { filter, direction: asked }, context) =>
        context.db.query.maskingExperiments.findMany(
          query({
            where: { RAW: (table) => maskingCondition(filter, table) },
            orderBy: { createdAt: direction(asked) },
          }),
        ),
    },
    { name: "MaskingExperimentConnection", description: "A page of masking experiments." },
    { name: "MaskingExperimentEdge", description: "A masking experiment with its cursor." },
  ));
