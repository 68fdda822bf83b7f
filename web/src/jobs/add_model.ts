/** Adding a model: at once where it lies on the server or in its cache of the hub, else by a job that fetches it. */
import { request } from "../shell/client.ts";
import { ADD_MODEL, FETCH_MODEL } from "./documents.ts";
import { follow } from "./job_store.ts";

/** `ORG/NAME`, with `@REVISION` or `:FILE.gguf`. */
const HUB_ID = /^[\w.-]+\/[\w.-]+(@[^:@]+)?(:[^:]+\.gguf)?$/;

/** Its name where it is there now, or the id of the job that fetches it. Throws what was wrong. */
export async function addOrFetch(
  model: string,
  name?: string,
): Promise<{ readonly added: string } | { readonly jobId: string }> {
  const named = name === undefined || name === "" ? {} : { name };
  const { addModel } = await request(ADD_MODEL, { input: { directory: model, fetch: false, ...named } });
  if (addModel.__typename !== "InputError") return { added: addModel.name };
  // What is neither a folder nor in the cache is fetched as a job, which tells how far it is.
  if (!HUB_ID.test(model)) throw new Error(addModel.problem);
  return { jobId: follow((await request(FETCH_MODEL, { input: { model, ...named } })).fetchModel) };
}
