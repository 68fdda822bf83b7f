/** Asking for a run of a model over a benchmark. */
import { z } from "zod";
import { InputError } from "./input_error.ts";
import { builder } from "./builder.ts";
import { idempotencyKey, Job } from "./job.ts";
import { found } from "./rows.ts";

const CollectFailuresInput = builder.inputType("CollectFailuresInput", {
  description: "Which model answers which benchmark.",
  fields: (t) => ({
    model: t.string({ required: true, description: "The name of a model that was added." }),
    benchmark: t.string({
      required: true,
      description: "A benchmark's name, or the path of its JSON Lines file inside one of the CULPRIT_MODELS folders.",
    }),
    limit: t.int({ description: "Only the first items; all when nothing is said.", validate: z.int().min(1) }),
    seed: t.int({
      description:
        "Items are taken in the order that this seed gives, so that the first ones are a sample by chance; " +
        "in the order of the file when nothing is said.",
      validate: z.int().min(0),
    }),
    maxTokens: t.int({
      required: true,
      defaultValue: 512,
      description: "Tokens of an answer at most.",
      validate: z.int().min(1).max(100_000),
    }),
    batch: t.int({
      required: true,
      defaultValue: 256,
      description: "Answers that are decoded together.",
      validate: z.int().min(1).max(4096),
    }),
    promptTemplate: t.string({
      description:
        "How problems are asked: `plain`, `math-boxed`, `gsm8k-last-line`, `gsm8k-mark` or `evalplus`; as their kind is " +
        "asked when nothing is said. Items that bring their own prompt or messages are asked as they are.",
    }),
    thinkingTokens: t.int({
      description:
        "Lets the model think before it answers, in so many tokens at most, which come on top of `maxTokens`; " +
        "thinking is off when nothing is said.",
      validate: z.int().min(1).max(100_000),
    }),
    idempotencyKey: t.string(idempotencyKey),
  }),
});

builder.mutationField("collectFailures", (t) =>
  t.drizzleField({
    type: Job,
    description:
      "Runs a model over a benchmark (chat template, greedy, with thinking off or a budget for it), checks each answer " +
      "without its thought and stores it with its tokens; answers that fail become open failure cases. What is stored already is not generated again.",
    errors: {
      types: [InputError],
      union: { name: "CollectFailuresResult", description: "The job, or what was wrong." },
    },
    args: { input: t.arg({ type: CollectFailuresInput, required: true, description: "What to run." }) },
    resolve: async (query, _parent, { input }, context) => {
      const { model, benchmark, limit, seed, maxTokens, batch, promptTemplate, thinkingTokens, idempotencyKey } = input;
      const id = await context.services.collectFailures({
        model,
        benchmark,
        limit: limit ?? null,
        ...(typeof seed === "number" ? { seed } : {}),
        ...(typeof thinkingTokens === "number" ? { thinkingTokens } : {}),
        maxTokens,
        batch,
        promptTemplate: promptTemplate ?? undefined,
        idempotencyKey: idempotencyKey ?? undefined,
      });
      return found(await context.db.query.jobs.findFirst(query({ where: { id } })));
    },
  }));
