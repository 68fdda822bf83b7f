/** `culprit model pull`: fetches a model from the hub into the cache; needs no database. */
import { InputError, parseReference } from "../../gpu/mod.ts";
import { pullForVerb } from "./locate.ts";
import type { Verb, VerbContext } from "./verb.ts";

export const verb: Verb = {
  name: "model pull",
  summary: "Fetches a model from the hub into the hub's cache, or what is missing of it",
  usage: "model pull ORG/NAME[@REVISION][:FILE.gguf] [--json]",
  example: "npx culprit model pull Qwen/Qwen3-0.6B",
  options: {},
  run,
};

async function run(context: VerbContext): Promise<void> {
  const [text, ...more] = context.positionals;
  const reference = text === undefined ? undefined : parseReference(text);
  if (reference === undefined || more.length > 0) {
    throw new InputError(
      more.length > 0
        ? `${context.positionals.length} models are given`
        : `${JSON.stringify(text ?? "")} is no hub's id`,
      "culprit model pull",
      "give one model as ORG/NAME, ORG/NAME@REVISION or ORG/NAME:FILE.gguf",
    );
  }
  const path = await pullForVerb(context, reference);
  if (!context.json) return await context.out(`${path}\n`);
  await context.out(`${JSON.stringify({ id: reference.text, kind: "model", status: "COMPLETED", path })}\n`);
  await context.out(`${JSON.stringify({ total: 1 })}\n`);
}
