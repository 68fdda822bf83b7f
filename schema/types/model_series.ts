/** ModelSeries: sizes or checkpoints of one family, in order. */
import { eq } from "drizzle-orm";
import { z } from "zod";
import { modelSeries } from "../tables/analysis_tables.ts";
import { InputError } from "./input_error.ts";
import { builder, pageCost } from "./builder.ts";
import { Model } from "./model.ts";
import { found } from "./rows.ts";
import type { models } from "../tables/tables.ts";

const SeriesKind = builder.enumType("SeriesKind", {
  description: "What the members of a series differ in.",
  values: {
    SCALING: { value: "scaling", description: "Size: models of one family." },
    TRAINING: { value: "training", description: "Training: checkpoints of one model." },
    QUANTISATION: { value: "quantisation", description: "How the weights of one model are stored." },
  } as const,
});

interface MemberRow {
  readonly label: string;
  readonly position: number;
  readonly model: typeof models.$inferSelect;
}

const SeriesMember = builder.objectRef<MemberRow>("SeriesMember").implement({
  description: "A model of a series.",
  fields: (t) => ({
    label: t.exposeString("label", { description: "What plots call it; unique in its series." }),
    position: t.exposeFloat("position", { description: "Where it stands: parameters, or training steps." }),
    model: t.field({ type: Model, description: "The model.", resolve: ({ model }) => model as never }),
  }),
});

export const ModelSeries = builder.drizzleNode("modelSeries", {
  name: "ModelSeries",
  description: "Sizes or checkpoints of one family, whose tokenizers agree.",
  id: { column: (series) => series.id },
  select: { columns: {} },
  fields: (t) => ({
    name: t.exposeString("name", { description: "Its name; unique." }),
    kind: t.expose("kind", { type: SeriesKind, description: "What its members differ in." }),
    members: t.field({
      type: [SeriesMember],
      description: "In the order of their positions.",
      complexity: { field: 1, multiplier: 10 },
      select: { columns: { members: true } },
      resolve: async ({ members }, _args, { db }) => {
        const rows = await db.query.models.findMany({ where: { id: { in: members.map(({ modelId }) => modelId) } } });
        return members.flatMap(({ modelId, label, position }) => {
          const model = rows.find(({ id }) => id === modelId);
          return model === undefined ? [] : [{ label, position, model }];
        });
      },
    }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was added." }),
  }),
});

builder.queryField("modelSeries", (t) =>
  t.drizzleConnection(
    {
      type: ModelSeries,
      description: "The series of models, newest first.",
      complexity: pageCost,
      args: { name: t.arg.string({ description: "Only the one of this name." }) },
      totalCount: (_parent, { name }, { db }) =>
        db.$count(modelSeries, name == null ? undefined : eq(modelSeries.name, name)),
      resolve: (query, _parent, { name }, { db }) =>
        db.query.modelSeries.findMany(
          query({ where: name == null ? {} : { name }, orderBy: { id: "desc" } }),
        ),
    },
    { name: "ModelSeriesConnection", description: "A page of series." },
    { name: "ModelSeriesEdge", description: "A series with its cursor." },
  ));

const MemberInput = builder.inputType("SeriesMemberInput", {
  description: "A model of a series.",
  fields: (t) => ({
    model: t.string({ required: true, description: "The name of a model that was added." }),
    label: t.string({ description: "What plots call it; the model's name when nothing is said." }),
    position: t.float({
      description: "Where it stands: parameters or training steps; the model's parameters, or its place in the list, " +
        "when nothing is said.",
    }),
  }),
});

const AddSeriesInput = builder.inputType("AddModelSeriesInput", {
  description: "A series of models.",
  fields: (t) => ({
    name: t.string({ required: true, description: "Its name.", validate: z.string().min(1).max(200) }),
    kind: t.field({ type: SeriesKind, required: true, description: "What its members differ in." }),
    members: t.field({
      type: [MemberInput],
      required: true,
      description: "At least two; a series of this name takes them in place of those it has.",
      validate: z.array(z.unknown()).min(2).max(200),
    }),
  }),
});

builder.mutationField("addModelSeries", (t) =>
  t.drizzleField({
    type: ModelSeries,
    description: "Adds a series of models, or gives the one of this name new members.",
    errors: {
      types: [InputError],
      union: { name: "AddModelSeriesResult", description: "The series, or what was wrong." },
    },
    args: { input: t.arg({ type: AddSeriesInput, required: true, description: "What to add." }) },
    resolve: async (query, _parent, { input: { name, kind, members } }, context) => {
      const id = await context.services.addModelSeries({
        name,
        kind,
        members: members.map(({ model, label, position }) => ({
          model,
          label: label ?? undefined,
          position: position ?? undefined,
        })),
      });
      return found(await context.db.query.modelSeries.findFirst(query({ where: { id } })));
    },
  }));
