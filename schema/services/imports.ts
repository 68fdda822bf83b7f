/** What an import is asked for. */
import type { ImportChoices } from "../tables/values.ts";

/** A file that came with a request, or the path of a file on the server. Exactly one is given. */
export interface ImportRequest {
  readonly file: { readonly name: string; stream(): ReadableStream<Uint8Array> } | undefined;
  readonly path: string | undefined;
  readonly idempotencyKey: string | undefined;
  /** culprit/1 when left out. `items` is a path that people gave, or a benchmark's name. */
  readonly choices?: ImportChoices;
}
