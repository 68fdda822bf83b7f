/** `culprit model add`: makes a model directory known to the server. */
import { InputError } from "../../gpu/mod.ts";
import { addModel } from "../models/add_model.ts";
import type { Verb, VerbContext } from "./verb.ts";
import { withDatabase } from "./with_database.ts";

export const verb: Verb = {
  name: "model add",
  summary: "Adds a model directory, so that failure cases can refer to it",
  usage: "model add DIR [--name NAME] [--json]",
  example: "npx culprit model add models/demo-1m",
  options: { "name": { type: "string", value: "NAME", help: "the name to give it; the folder's own if left out" } },
  run,
};

async function run({ values, positionals, json, out }: VerbContext): Promise<void> {
  const [directory, ...more] = positionals;
  if (directory === undefined || more.length > 0) {
    throw new InputError(`${positionals.length} folders are given`, "culprit model add", "give one model directory");
  }
  const name = typeof values["name"] === "string" ? values["name"] : undefined;
  const model = await withDatabase(({ db }) => addModel(db, directory, name));
  if (!json) return await out(`${model.name} ${model.created ? "was added" : "was there already"}\n`);
  const id = btoa(`Model:${model.id}`);
  await out(
    `${JSON.stringify({ id, kind: "model", status: "COMPLETED", name: model.name, created: model.created })}\n`,
  );
  await out(`${JSON.stringify({ total: 1, created: model.created ? 1 : 0 })}\n`);
}
