/** Fetching a model from a hub, as a job. */
import { builder } from "./builder.ts";
import { InputError } from "./input_error.ts";
import { idempotencyKey, Job } from "./job.ts";
import { found } from "./rows.ts";

const FetchModelInput = builder.inputType("FetchModelInput", {
  description: "Which model to fetch.",
  fields: (t) => ({
    model: t.string({
      required: true,
      description: "A hub's `ORG/NAME`, `ORG/NAME@REVISION` or `ORG/NAME:FILE.gguf`.",
    }),
    name: t.string({ description: "The name to add it under; the hub's id if not given." }),
    idempotencyKey: t.string(idempotencyKey),
  }),
});

builder.mutationField("fetchModel", (t) =>
  t.drizzleField({
    type: Job,
    description: "Fetches a model from the hub into the server's cache, as the hub has it now, and adds it. Where " +
      "CULPRIT_DOWNLOADS allows.",
    errors: { types: [InputError], union: { name: "FetchModelResult", description: "The job, or what was wrong." } },
    args: { input: t.arg({ type: FetchModelInput, required: true, description: "Which model to fetch." }) },
    resolve: async (query, _parent, { input }, context) => {
      const id = await context.services.fetchModel({
        model: input.model,
        name: input.name ?? undefined,
        idempotencyKey: input.idempotencyKey ?? undefined,
      });
      return found(await context.db.query.jobs.findFirst(query({ where: { id } })));
    },
  }));
