/** CausalMarks: what hiding each sentence of a prompt does, and asking for marks. */
import type { SentenceEffect } from "../tables/analysis_values.ts";
import { builder } from "./builder.ts";
import { caseFilter, chosenPairs, pairFilter, pairIds } from "./chosen_pairs.ts";
import { InputError } from "./input_error.ts";
import { idempotencyKey, Job } from "./job.ts";
import { found } from "./rows.ts";
import { TokenPair } from "./token_pair.ts";

const SentenceEffectType = builder.objectRef<SentenceEffect>("SentenceEffect").implement({
  description: "A sentence of the prompt, and what hiding it from attention takes away, in nats a token.",
  fields: (t) => ({
    text: t.exposeString("text", { description: "The sentence." }),
    right: t.exposeFloat("right", {
      description: "From the right continuation: the contrast and its passing rollout.",
    }),
    wrong: t.exposeFloat("wrong", { description: "From the wrong one: the target and what the model wrote after it." }),
    marked: t.exposeBoolean("marked", { description: "Whether it counts as one that the right continuation needs." }),
  }),
});

const CausalMarks = builder.drizzleObject("causalMarks", {
  name: "CausalMarks",
  description: "What hiding each sentence of the prompt does to the right and the wrong continuation (docs/marks.md).",
  select: { columns: {} },
  fields: (t) => ({
    sentences: t.field({
      type: [SentenceEffectType],
      description: "In the prompt's order.",
      complexity: { field: 1, multiplier: 4 },
      select: { columns: { sentences: true } },
      resolve: ({ sentences }) => [...sentences],
    }),
    rightTokens: t.exposeInt("rightTokens", { description: "Tokens of the right continuation that were scored." }),
    wrongTokens: t.exposeInt("wrongTokens", { description: "Tokens of the wrong one." }),
    version: t.exposeString("version", { description: "Of how sentences are chosen." }),
    adapter: t.exposeString("adapter", { description: "What computed it." }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was made." }),
  }),
});

builder.drizzleObjectFields(TokenPair, (t) => ({
  causalMarks: t.relation("causalMarks", {
    type: CausalMarks,
    nullable: true,
    description: "Its causal marks; null where none were asked for, or where file or locator mark the prompt.",
  }),
}));

const MarkSelection = builder.enumType("MarkSelection", {
  description: "Token pairs that need not be named one by one.",
  values: {
    MISSING: { value: "missing", description: "The pairs of every case without marks." },
    CLEAN: { value: "clean", description: "Those of them whose delta is above 1." },
  } as const,
});

const MarkInput = builder.inputType("MarkInstructionsInput", {
  description: "What to mark: `tokenPairIds`, a `selection`, a `filter` or `cases`.",
  fields: (t) => ({
    tokenPairIds: t.globalIDList(
      pairIds("The token pairs; marks of a person, of a file, and those that this version found, are kept."),
    ),
    selection: t.field({ type: MarkSelection, description: "Instead of ids: all pairs of a kind." }),
    filter: t.field(pairFilter),
    cases: t.field(caseFilter),
    idempotencyKey: t.string(idempotencyKey),
  }),
});

builder.mutationField("markInstructions", (t) =>
  t.drizzleField({
    type: Job,
    description: "Finds where prompts state what their answers have to keep to: by the benchmark's locator, else by " +
      "hiding one sentence after another.",
    errors: {
      types: [InputError],
      union: { name: "MarkInstructionsResult", description: "The job, or what was wrong." },
    },
    args: { input: t.arg({ type: MarkInput, required: true, description: "What to mark." }) },
    resolve: async (query, _parent, { input }, context) => {
      const id = await context.services.markInstructions({
        tokenPairIds: await chosenPairs(input, context),
        idempotencyKey: input.idempotencyKey ?? undefined,
      });
      return found(await context.db.query.jobs.findFirst(query({ where: { id } })));
    },
  }));
