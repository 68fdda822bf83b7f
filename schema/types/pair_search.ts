/** Asking for a search of token pairs. */
import { z } from "zod";
import { InputError } from "./input_error.ts";
import { builder } from "./builder.ts";
import { idempotencyKey, Job } from "./job.ts";
import { found } from "./rows.ts";

const PositionRule = builder.enumType("PositionRule", {
  description: "Which position of an answer decides.",
  values: {
    RECOVERING: {
      value: "recovering",
      description: "The earliest from which an alternative recovers; the case is excluded when its delta is 1 or less.",
    },
    CLEAN: { value: "clean", description: "The earliest from which an alternative recovers whose delta is above 1." },
  } as const,
});

const FindTokenPairsInput = builder.inputType("FindTokenPairsInput", {
  description: "Which open failure cases to search, and how far.",
  fields: (t) => ({
    model: t.string({ required: true, description: "The name of the model that failed." }),
    sibling: t.string({
      description:
        "The name of a larger model of the family, with the same tokenizer: its alternatives are tried where " +
        "none of the model's own recovers.",
    }),
    benchmarks: t.stringList({
      description: "Only cases of these benchmarks; of all when nothing is said.",
      validate: z.array(z.string()).min(1).max(100),
    }),
    alternatives: t.int({
      required: true,
      defaultValue: 10,
      description: "Best-ranked alternatives tried at a position.",
      validate: z.int().min(1).max(100),
    }),
    positions: t.int({
      description: "Positions visited at most, from the first token of the answer; all when nothing is said.",
      validate: z.int().min(1),
    }),
    positionRule: t.field({
      type: PositionRule,
      required: true,
      defaultValue: "recovering",
      description: "Which position decides.",
    }),
    batch: t.int({
      required: true,
      defaultValue: 256,
      description: "Rollouts that are decoded together.",
      validate: z.int().min(1).max(4096),
    }),
    idempotencyKey: t.string(idempotencyKey),
  }),
});

builder.mutationField("findTokenPairs", (t) =>
  t.drizzleField({
    type: Job,
    description:
      "Searches target and contrast of open failure cases by the strict recovery criterion: each alternative " +
      "is forced, continued greedily and checked. Every case becomes clean, or is excluded with its reason.",
    errors: {
      types: [InputError],
      union: { name: "FindTokenPairsResult", description: "The job, or what was wrong." },
    },
    args: { input: t.arg({ type: FindTokenPairsInput, required: true, description: "What to search." }) },
    resolve: async (query, _parent, { input }, context) => {
      const { sibling, benchmarks, positions, idempotencyKey, ...rest } = input;
      const id = await context.services.findTokenPairs({
        ...rest,
        sibling: sibling ?? null,
        benchmarks: benchmarks ?? null,
        positions: positions ?? null,
        idempotencyKey: idempotencyKey ?? undefined,
      });
      return found(await context.db.query.jobs.findFirst(query({ where: { id } })));
    },
  }));
