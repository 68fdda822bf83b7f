/** `culprit model add`: makes a model known to the server. */
import { InputError } from "../../gpu/mod.ts";
import { addModel } from "../models/add_model.ts";
import { locateForVerb, LORA_OPTION } from "./locate.ts";
import { tellNotes, type Verb, type VerbContext } from "./verb.ts";
import { withDatabase } from "./with_database.ts";

export const verb: Verb = {
  name: "model add",
  summary: "Adds a model, so that failure cases can refer to it; one of a hub is fetched where it is not here",
  usage: "model add MODEL [--lora DIR] [--name NAME] [--json]",
  example: "npx culprit model add models/demo-1m",
  options: {
    lora: LORA_OPTION,
    "name": {
      type: "string",
      value: "NAME",
      help: "the name to give it; the folder's own, or the hub's id, if left out",
    },
  },
  run,
};

async function run(context: VerbContext): Promise<void> {
  const { values, positionals, json, out } = context;
  const [text, ...more] = positionals;
  if (text === undefined || more.length > 0) {
    throw new InputError(
      `${positionals.length} models are given`,
      "culprit model add",
      "give one: a folder, a file, or a hub's ORG/NAME",
    );
  }
  const name = typeof values["name"] === "string" ? values["name"] : undefined;
  const located = await locateForVerb(context, text);
  const model = await withDatabase(({ db }) => addModel(db, located.path, name ?? located.name));
  tellNotes(context, model);
  if (!json) return await out(`${model.name} ${model.created ? "was added" : "was there already"}\n`);
  const id = btoa(`Model:${model.id}`);
  await out(
    `${JSON.stringify({ id, kind: "model", status: "COMPLETED", name: model.name, created: model.created })}\n`,
  );
  await out(`${JSON.stringify({ total: 1, created: model.created ? 1 : 0 })}\n`);
}
