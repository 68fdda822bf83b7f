/** The model that a verb's argument names, fetched from the hub where it is not here, with a progress bar. */
import {
  describeBytes,
  downloadModel,
  type HubReference,
  type LocatedModel,
  locateModel,
  type LocateOptions,
  modelPath,
} from "../../gpu/mod.ts";
import { progressBar } from "./progress.ts";
import { requiredText, type Verb, type VerbContext, type VerbOption } from "./verb.ts";

/** The option of the verbs that take a model. */
export const MODEL_OPTION: VerbOption = {
  type: "string",
  value: "MODEL",
  help: "a folder, a hub's ORG/NAME[@REVISION] or ORG/NAME:FILE.gguf, or a .gguf file",
};

/** The option of the same verbs that merges adapters into it. */
export const LORA_OPTION: VerbOption = {
  type: "string",
  value: "DIR",
  help: "a PEFT LoRA adapter to merge into the model; may be given several times, in order",
  multiple: true,
};

/** Both. */
export const MODEL_OPTIONS: Readonly<Record<string, VerbOption>> = { model: MODEL_OPTION, lora: LORA_OPTION };

/** Finds it, with the adapters that `--lora` names. Throws InputError and UnavailableError as locateModel. */
export async function locateForVerb(context: VerbContext, text: string): Promise<LocatedModel> {
  const located = await withBar(context, text, (options) => locateModel(text, options));
  const given = context.values["lora"];
  const adapters = Array.isArray(given) ? given.map(String) : [];
  return adapters.length === 0 ? located : { path: modelPath({ base: located.path, adapters }), name: undefined };
}

/** The path of the model that `--model` names. */
export async function requiredModel(context: VerbContext, verb: Verb): Promise<string> {
  return (await locateForVerb(context, requiredText(context, verb, "model"))).path;
}

/** Fetches a model as the hub has it now; its path in the cache. */
export function pullForVerb(context: VerbContext, reference: HubReference): Promise<string> {
  return withBar(context, reference.text, (options) => downloadModel(reference, options));
}

async function withBar<Result>(
  context: VerbContext,
  text: string,
  work: (options: LocateOptions) => Promise<Result>,
): Promise<Result> {
  const bar = progressBar(context);
  try {
    return await work({
      signal: context.signal,
      onStart: ({ bytes, folder }) => context.note(`${text}: fetching ${describeBytes(bytes)} into ${folder}\n`),
      onProgress: (progress) => bar.update({ ...progress, unit: "bytes" }),
    });
  } finally {
    bar.end();
  }
}
