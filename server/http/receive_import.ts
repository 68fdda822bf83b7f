/**
 * `POST /imports?from=lm-eval&name=samples.jsonl&model=...`: a file as the request's body, plain or gzip, streamed to
 * disk however large it is. The query takes what the mutation importFailureCases takes.
 */
import { basename } from "node:path";
import { InputError } from "../../gpu/mod.ts";
import type { Context } from "../../schema/services/services.ts";
import { IMPORT_FORMATS, type ImportChoices } from "../../schema/tables/values.ts";
import { type BodyLimits, boundBody } from "./access/bounded_body.ts";
import { refusal } from "./access/refusal.ts";

/** Largest body, in bytes. */
const MAX_BYTES = 2 ** 31 - 1;
const COLUMNS = ["prompt", "answer", "passed", "id"] as const;
const PARAMETERS = ["from", "name", "model", "items", "benchmark", "plain", "annotator", "idempotencyKey", ...COLUMNS];
/** Longest value of a parameter, in characters. */
const MAX_TEXT = 500;

/** Answers with the job's global id. */
export async function receiveImport(
  context: Context,
  request: Request,
  url: URL,
  limits: BodyLimits,
): Promise<Response> {
  if (request.method !== "POST") return new Response("Send it by POST\n", { status: 405, headers: { allow: "POST" } });
  const { name, idempotencyKey, choices } = readQuery(url.searchParams);
  const bounded = boundBody(request, { ...limits, bytes: MAX_BYTES });
  if (bounded instanceof Response) return bounded;
  const { body } = bounded.request;
  if (body === null) return refusal(400, "BAD_INPUT", "There is no file; send it as the request's body");
  try {
    const id = await context.services.importFailureCases({
      file: { name, stream: () => body },
      path: undefined,
      idempotencyKey,
      choices,
    });
    return Response.json({ id: btoa(`Job:${id}`) }, { status: 202 });
  } catch (error) {
    const refused = bounded.refusal();
    if (refused) return refused;
    throw error;
  }
}

/** The columns that the query names, where it names any. */
function columnsIn(text: (key: string) => string | undefined): Pick<ImportChoices, "columns"> {
  const [prompt, answer, passed, id] = COLUMNS.map(text);
  if ([prompt, answer, passed, id].every((one) => one === undefined)) return {};
  if (prompt === undefined || answer === undefined) {
    throw new InputError("it takes the columns of prompts and of answers", "prompt, answer", "name both");
  }
  return {
    columns: { prompt, answer, ...(passed === undefined ? {} : { passed }), ...(id === undefined ? {} : { id }) },
  };
}

function readQuery(query: URLSearchParams) {
  for (const [key, value] of query) {
    if (!PARAMETERS.includes(key)) throw new InputError(`there is no parameter ${key}`, "/imports", "leave it out");
    if (value.length > MAX_TEXT) {
      throw new InputError(`it has more than ${MAX_TEXT} characters`, key, "give a shorter one");
    }
  }
  const text = (key: string): string | undefined => query.get(key)?.replaceAll("\0", "\u2400") || undefined;
  const from = (["auto", ...IMPORT_FORMATS] as const).find((format) => format === (text("from") ?? "auto"));
  if (from === undefined) {
    throw new InputError(`"${text("from")}" is no format`, "from", `give one of auto, ${IMPORT_FORMATS.join(", ")}`);
  }
  const choice = (key: "model" | "items" | "benchmark" | "annotator") => {
    const value = text(key);
    return value === undefined ? {} : { [key]: value };
  };
  const choices: ImportChoices = {
    from,
    ...choice("model"),
    ...choice("items"),
    ...choice("benchmark"),
    ...choice("annotator"),
    ...(query.get("plain") === "true" ? { plain: true } : {}),
    ...columnsIn(text),
  };
  return { name: basename(text("name") ?? "upload"), idempotencyKey: text("idempotencyKey"), choices };
}
