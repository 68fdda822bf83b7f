/** Model: a Hugging Face style directory whose failures are explained. */
import { builder, pageCost } from "./builder.ts";
import { InputError } from "./input_error.ts";
import { found } from "./rows.ts";
import { models } from "../tables/tables.ts";

interface PlaceRow {
  readonly isHere: boolean;
  readonly hub: string | null;
}

const ModelPlace = builder.objectRef<PlaceRow>("ModelPlace").implement({
  description: "Where a model's files are. Results of one that is nowhere can be looked at, and nothing be computed.",
  fields: (t) => ({
    isHere: t.exposeBoolean("isHere", {
      description: "Whether a worker that runs holds them, or they lie where it was added from.",
    }),
    hub: t.exposeString("hub", {
      nullable: true,
      description: "What `fetchModel` fetches it by, as far as its place or its name tells; null for other models.",
    }),
  }),
});

export const Model = builder.drizzleNode("models", {
  name: "Model",
  description: "A language model: a Hugging Face style directory that was added.",
  id: { column: (model) => model.id },
  select: { columns: {} },
  fields: (t) => ({
    name: t.exposeString("name", { description: "The name that failure cases refer to; unique." }),
    directory: t.exposeString("directory", {
      description: "Where it lies on the server; merged adapters stand behind it, as `BASE --lora DIR`.",
    }),
    architecture: t.exposeString("architecture", { description: "Architecture in the words of `config.json`." }),
    parameters: t.exposeFloat("parameters", { description: "Number of weights." }),
    layers: t.exposeInt("layers", { description: "Number of blocks; attributions have one node layer more." }),
    hidden: t.exposeInt("hidden", { description: "Size of the residual stream." }),
    vocabulary: t.exposeInt("vocabulary", { description: "Number of token ids." }),
    tokenizerHash: t.exposeString("tokenizerHash", { description: "Hash of the tokenizer's files." }),
    hash: t.exposeString("hash", { description: "Hash of configuration and weights." }),
    createdAt: t.expose("createdAt", { type: "DateTime", description: "When it was added." }),
    place: t.field({
      type: ModelPlace,
      description: "Where its files are.",
      // A look at disk and workers for each model: not for lists.
      complexity: 20,
      select: { columns: { name: true, directory: true, hash: true } },
      resolve: (model, _args, { services }) => services.modelPlace(model),
    }),
  }),
});

builder.queryField("models", (t) =>
  t.drizzleConnection(
    {
      type: Model,
      description: "The models that were added, newest first.",
      complexity: pageCost,
      totalCount: (_parent, _args, context) => context.db.$count(models),
      resolve: (query, _parent, _args, context) =>
        context.db.query.models.findMany(query({ orderBy: { createdAt: "desc" } })),
    },
    { name: "ModelConnection", description: "A page of models." },
    {
      name: "ModelEdge",
      description: "A model with its cursor.",
    },
  ));

const AddModelInput = builder.inputType("AddModelInput", {
  description: "Which model to add.",
  fields: (t) => ({
    directory: t.string({
      required: true,
      description: "A directory with `config.json`, weights and tokenizer, or a `.gguf` file, inside one of the " +
        "CULPRIT_MODELS folders: absolute, or relative to the project's root or to one of those folders. Or a hub's " +
        "`ORG/NAME`, `ORG/NAME@REVISION` or `ORG/NAME:FILE.gguf`: taken from the hub's cache, or fetched into it " +
        "where CULPRIT_DOWNLOADS allows, before this is answered; `fetchModel` does that as a job.",
    }),
    adapters: t.stringList({
      description: "Folders of PEFT LoRA adapters that are merged into it, in this order; inside one of the " +
        "CULPRIT_MODELS folders, as `directory`.",
    }),
    fetch: t.boolean({
      defaultValue: true,
      description: "Whether a hub's model that is not here may be fetched before this is answered.",
    }),
    name: t.string({
      description: "The name that failure cases refer to; the directory's own name or the hub's id if not given.",
    }),
  }),
});

builder.mutationField("addModel", (t) =>
  t.drizzleField({
    type: Model,
    description: "Adds a model. Adding the same model again changes nothing.",
    errors: { types: [InputError], union: { name: "AddModelResult", description: "The model, or what was wrong." } },
    args: { input: t.arg({ type: AddModelInput, required: true, description: "Which model to add." }) },
    resolve: async (query, _parent, { input }, context) => {
      const id = await context.services.addModel({
        directory: input.directory,
        adapters: input.adapters ?? [],
        fetch: input.fetch ?? true,
        name: input.name ?? undefined,
      });
      return found(await context.db.query.models.findFirst(query({ where: { id } })));
    },
  }));
