/** Asking for a search of token pairs. */
import { and, eq } from "drizzle-orm";
import { z } from "zod";
import { type CaseFilter, FailureCaseFilter, matchingCases } from "./case_filter.ts";
import { InputError } from "./input_error.ts";
import { builder } from "./builder.ts";
import { idempotencyKey, Job } from "./job.ts";
import { found } from "./rows.ts";
import type { Context } from "../services/services.ts";
import { failureCases, models } from "../tables/tables.ts";

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

/** Cases of one search at most, where a filter chooses them. */
const MOST_CASES = 200_000;

function named(model: string | null | undefined): string {
  if (model == null) throw new InputError("is missing", "model", "give the name of a model, or `cases`");
  return model;
}

/** The cases of a filter that can be searched, and the name of their model. Throws InputError for none, and for several models. */
async function searchedCases(
  filter: CaseFilter,
  { db, openOnly }: Pick<Context, "db"> & { readonly openOnly: boolean },
): Promise<{ readonly model: string; readonly caseIds: readonly number[] }> {
  const rows = await db.select({ id: failureCases.id, model: models.name }).from(failureCases)
    .innerJoin(models, eq(models.id, failureCases.modelId))
    .where(and(matchingCases(filter, failureCases), openOnly ? eq(failureCases.status, "open") : undefined))
    .orderBy(failureCases.id).limit(MOST_CASES + 1);
  const [first] = rows;
  if (first === undefined) throw new InputError("no open case fits it", "cases", "widen it");
  if (rows.length > MOST_CASES) throw new InputError(`more than ${MOST_CASES} cases fit it`, "cases", "narrow it");
  const other = rows.find(({ model }) => model !== first.model);
  if (other !== undefined) {
    throw new InputError(
      `they are of several models, ${first.model} and ${other.model}`,
      "cases",
      "name one: each model searches its own cases",
    );
  }
  return { model: first.model, caseIds: rows.map(({ id }) => id) };
}

const FindTokenPairsInput = builder.inputType("FindTokenPairsInput", {
  description: "Which open failure cases to search, and how far.",
  fields: (t) => ({
    model: t.string({ description: "The name of the model that failed; not needed where `cases` are of one model." }),
    cases: t.field({
      type: FailureCaseFilter,
      description: "Only the open ones of the cases that `failureCases` lists with this filter.",
    }),
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
      const { sibling, benchmarks, positions, idempotencyKey, cases, model, ...rest } = input;
      const id = await context.services.findTokenPairs({
        ...rest,
        ...cases == null ? { model: named(model) } : await searchedCases({ ...cases, model: model ?? cases.model }, {
          db: context.db,
          openOnly: sibling == null,
        }),
        sibling: sibling ?? null,
        benchmarks: benchmarks ?? null,
        positions: positions ?? null,
        idempotencyKey: idempotencyKey ?? undefined,
      });
      return found(await context.db.query.jobs.findFirst(query({ where: { id } })));
    },
  }));
