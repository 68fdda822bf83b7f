/** Objectives: what is explained at a token pair's place instead of the pair (docs/method.md, section 1). */
import { z } from "zod";
import type { AskedObjective, StoredBranch, StoredTerm } from "../tables/analysis_values.ts";
import { builder } from "./builder.ts";
import { chosenPairs, pairFilter, pairIds } from "./chosen_pairs.ts";
import { InputError } from "./input_error.ts";
import { idempotencyKey, Job, Selection } from "./job.ts";
import { found } from "./rows.ts";
import { Rule } from "./rule.ts";
import { TokenPair } from "./token_pair.ts";

const ObjectiveKind = builder.enumType("ObjectiveKind", {
  description: "What is explained; docs/method.md has the exact definitions and their limits.",
  values: {
    LOGIT: { value: "logit", description: "The target's logit alone." },
    TOP: { value: "top", description: "The target's logit against the mean of the `count` largest others." },
    MEAN: { value: "mean", description: "The target's logit against the mean of all." },
    SEQUENCE: { value: "sequence", description: "One sequence of tokens against another, of any length each." },
  } as const,
});

const Side = builder.enumType("ObjectiveSide", {
  description: "Which of two sequences; TARGET for objectives about one token.",
  values: {
    TARGET: { value: "target", description: "The wrong one." },
    CONTRAST: { value: "contrast", description: "The right one." },
  } as const,
});

const Term = builder.objectRef<StoredTerm>("ObjectiveTerm").implement({
  description: "An addend of an objective: factor times the difference of two logits after a position.",
  fields: (t) => ({
    side: t.field({
      type: Side,
      description: "Along which sequence its position counts.",
      resolve: ({ side }) => side,
    }),
    position: t.exposeInt("position", { description: "From 0, of the token before the logits." }),
    target: t.exposeInt("target", { description: "Id of the token whose logit is added." }),
    contrast: t.int({
      nullable: true,
      description: "Id of the token whose logit is taken off; null for the mean of all, and where there is none.",
      resolve: ({ contrast }) => typeof contrast === "number" ? contrast : null,
    }),
    factor: t.exposeFloat("factor", { description: "By how much it counts." }),
    targetLogit: t.exposeFloat("targetLogit", { description: "The added logit." }),
    contrastLogit: t.exposeFloat("contrastLogit", {
      description: "The logit, or mean, that is taken off; 0 where there is none.",
    }),
  }),
});

const Branch = builder.objectRef<StoredBranch>("ObjectiveBranch").implement({
  description: "The tokens of one of two sequences alone, behind those that both have.",
  fields: (t) => ({
    side: t.field({ type: Side, description: "Which sequence.", resolve: ({ side }) => side }),
    tokens: t.stringList({
      description: "Their texts.",
      complexity: { field: 1, multiplier: 1 },
      resolve: ({ tokenTexts }) => [...tokenTexts],
    }),
    relevance: t.floatList({
      description: "Raw signed relevance of each at the embeddings, in logits.",
      complexity: { field: 1, multiplier: 1 },
      resolve: ({ relevance }) => [...relevance],
    }),
  }),
});

const ObjectiveAttribution = builder.drizzleNode("objectiveAttributions", {
  name: "ObjectiveAttribution",
  description: "Relevance of another objective than the token pair, at the pair's place.",
  id: { column: (row) => row.id },
  select: { columns: {} },
  fields: (t) => ({
    kind: t.field({
      type: ObjectiveKind,
      description: "What is explained.",
      select: { columns: { objective: true } },
      resolve: ({ objective }) => objective.kind,
    }),
    count: t.int({
      nullable: true,
      description: "Of TOP: how many logits the mean is over; null for the others.",
      select: { columns: { objective: true } },
      resolve: ({ objective }) => objective.kind === "top" ? objective.count : null,
    }),
    target: t.string({
      nullable: true,
      description: "Of SEQUENCE: the wrong one, as it was typed; null for the others.",
      select: { columns: { objective: true } },
      resolve: ({ objective }) => objective.kind === "sequence" ? objective.target : null,
    }),
    contrast: t.string({
      nullable: true,
      description: "Of SEQUENCE: the right one, as it was typed; null for the others.",
      select: { columns: { objective: true } },
      resolve: ({ objective }) => objective.kind === "sequence" ? objective.contrast : null,
    }),
    rule: t.expose("rule", { type: Rule, description: "Backward rule." }),
    value: t.exposeFloat("value", { description: "What is explained: the sum of the terms, in logits." }),
    terms: t.field({
      type: [Term],
      description: "What it is the sum of.",
      complexity: { field: 1, multiplier: 5 },
      select: { columns: { terms: true } },
      resolve: ({ terms }) => [...terms],
    }),
    tokens: t.stringList({
      description: "Texts of the prompt's tokens, and of those that both of two sequences begin with.",
      complexity: { field: 1, multiplier: 1 },
      select: { columns: { tokenTexts: true } },
      resolve: ({ tokenTexts }) => tokenTexts,
    }),
    relevance: t.floatList({
      description: "Raw signed relevance of each at the embeddings, in logits.",
      complexity: { field: 1, multiplier: 1 },
      select: { columns: { relevance: true } },
      resolve: ({ relevance }) => relevance,
    }),
    branches: t.field({
      type: [Branch],
      description: "What each of two sequences has alone; empty for objectives about one token.",
      complexity: { field: 1, multiplier: 2 },
      select: { columns: { branches: true } },
      resolve: ({ branches }) => [...branches],
    }),
    adapter: t.exposeString("adapter", { description: "Adapter that computed it, in its driver's words." }),
    seconds: t.exposeFloat("seconds", { description: "Wall time, without loading." }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was computed." }),
  }),
});

builder.drizzleObjectFields(TokenPair, (t) => ({
  objectives: t.relation("objectives", {
    type: ObjectiveAttribution,
    description: "Relevance of other objectives at this place, newest first, 20 at most.",
    complexity: { field: 1, multiplier: 2 },
    query: { orderBy: { id: "desc" }, limit: 20 },
  }),
}));

const ExplainObjectiveInput = builder.inputType("ExplainObjectiveInput", {
  description: "What to explain: `tokenPairIds`, a `selection` or a `filter`, and the objective.",
  fields: (t) => ({
    tokenPairIds: t.globalIDList(pairIds("The token pairs; a pair that has this objective keeps it.")),
    selection: t.field({ type: Selection, description: "Instead of ids: all pairs of a kind." }),
    filter: t.field(pairFilter),
    kind: t.field({ type: ObjectiveKind, required: true, description: "What is explained." }),
    count: t.int({
      description: "Of TOP: how many of the largest other logits the mean is over; 10 when nothing is said.",
      validate: z.int().min(1).max(100_000),
    }),
    target: t.string({
      description: "Of SEQUENCE: the wrong one, `text:` and its text, or token ids with commas between them.",
      validate: z.string().min(1).max(10_000),
    }),
    contrast: t.string({
      description: "Of SEQUENCE: the right one, in the same way.",
      validate: z.string().min(1).max(10_000),
    }),
    rule: t.field({ type: Rule, description: "Backward rule; ATTNLRP when nothing is said." }),
    idempotencyKey: t.string(idempotencyKey),
  }),
});

/** Throws InputError for what does not belong to the kind. */
function askedObjective(
  { kind, count, target, contrast }: typeof ExplainObjectiveInput.$inferInput,
): AskedObjective {
  if (kind !== "top" && count != null) throw new InputError(`says nothing of ${kind}`, "count", "leave it out");
  if (kind === "sequence") {
    if (target == null || contrast == null) {
      throw new InputError("both sequences are needed", "target, contrast", "give both, as text: Lyon");
    }
    return { kind, target, contrast };
  }
  if (target != null || contrast != null) {
    throw new InputError(`says nothing of ${kind}`, target != null ? "target" : "contrast", "leave it out");
  }
  return kind === "top" ? { kind, count: count ?? 10 } : { kind };
}

builder.mutationField("explainObjective", (t) =>
  t.drizzleField({
    type: Job,
    description: "Computes relevance of another objective than the token pair, at the places of token pairs.",
    errors: {
      types: [InputError],
      union: { name: "ExplainObjectiveResult", description: "The job, or what was wrong." },
    },
    args: { input: t.arg({ type: ExplainObjectiveInput, required: true, description: "What to explain." }) },
    resolve: async (query, _parent, { input }, context) => {
      const id = await context.services.explainObjective({
        objective: askedObjective(input),
        tokenPairIds: await chosenPairs(input, context),
        rule: input.rule ?? "attnlrp",
        idempotencyKey: input.idempotencyKey ?? undefined,
      });
      return found(await context.db.query.jobs.findFirst(query({ where: { id } })));
    },
  }));
