/** The log of mutations: who asked for what, and what came of it. Mutations that a client may not ask for stand there too. */
import { getLogger } from "@logtape/logtape";
import { errorTypeMap } from "@pothos/plugin-errors";
import { desc, lt } from "drizzle-orm";
import { defaultFieldResolver, type GraphQLSchema } from "graphql";
import { auditEntries } from "../../schema/tables/audit_tables.ts";
import { InputError } from "../../schema/types/input_error.ts";
import type { Context } from "../../schema/services/services.ts";
import type { Database } from "../../schema/tables/database.ts";
import { type Client, LOCAL, type Scope } from "../base/tokens.ts";
import { askedBy, currentOwner, ForbiddenError, requireScope } from "../base/asker.ts";
import { asked } from "../base/telemetry.ts";
import { isRefusedArgument } from "./refused_argument.ts";

/** What resolvers are given, with who asks. */
export interface AskedContext extends Context {
  readonly client?: Client;
}

/** Texts of arguments that are kept, in characters. */
const MAX_TEXT = 200;
/** Items of a list that are kept. */
const MAX_ITEMS = 20;

/** Mutations that read files of the server need the scope `admin`, all others `run`. */
function scopeOf(field: string, args: Readonly<Record<string, unknown>>): Scope {
  const input = args["input"] as { readonly path?: unknown } | undefined;
  return field === "addModel" || field === "fetchModel" || (field === "importFailureCases" && input?.path != null)
    ? "admin"
    : "run";
}

const guarded = new WeakSet<GraphQLSchema>();

/** Lets mutations check the client's scope first, and write down what came of them. Done once for a schema. */
export function guardMutations(schema: GraphQLSchema): void {
  if (guarded.has(schema)) return;
  guarded.add(schema);
  for (const field of Object.values(schema.getMutationType()?.getFields() ?? {})) {
    const resolve = field.resolve ?? defaultFieldResolver;
    field.resolve = async (source, args, context: AskedContext, info) =>
      await askedBy(context.client ?? LOCAL, async () =>
        await audited(context.db, field.name, args, async (judge) => {
          requireScope(scopeOf(field.name, args), field.name);
          const result: unknown = await asked(field.name, () => resolve(source, args, context, info));
          // Bad input is a result here, in a wrapping of the plugin's.
          if (typeof result === "object" && result && errorTypeMap.has(result)) judge("BAD_INPUT");
          return result;
        }));
  }
}

/** Does what the present client asks for, and writes down who it was, with which arguments, and what came of it. */
export async function audited<Result>(
  db: Database,
  field: string,
  input: Readonly<Record<string, unknown>>,
  work: (judge: (outcome: string) => void) => Promise<Result>,
): Promise<Result> {
  const start = performance.now();
  let outcome = "done";
  try {
    return await work((said) => outcome = said);
  } catch (error) {
    const refused = error instanceof InputError || isRefusedArgument(error);
    outcome = error instanceof ForbiddenError ? "FORBIDDEN" : refused ? "BAD_INPUT" : "ERROR";
    throw error;
  } finally {
    const milliseconds = Math.round(performance.now() - start);
    await write(db, { client: currentOwner(), field, input: shortened(input), outcome, milliseconds });
  }
}

async function write(db: Database, entry: typeof auditEntries.$inferInsert): Promise<void> {
  const log = getLogger(["culprit", "audit"]);
  log.info("{client} {field} {outcome}", { ...entry });
  await db.insert(auditEntries).values(entry).catch((error) =>
    // The log line above is all there is while the database is away.
    log.error("An entry was not stored: {error}", { error: String((error as Error).cause ?? error) })
  );
}

/** Arguments as they are kept: files by name and size, long texts and lists cut. */
export function shortened(value: unknown): unknown {
  // PostgreSQL's JSON holds no NUL.
  if (typeof value === "string") return cut(value.replaceAll("\0", "\u2400"));
  if (value instanceof File) return { file: cut(value.name.replaceAll("\0", "\u2400")), bytes: value.size };
  if (Array.isArray(value)) {
    const items: unknown[] = value.slice(0, MAX_ITEMS).map(shortened);
    return value.length > MAX_ITEMS ? [...items, `… ${value.length} items`] : items;
  }
  if (value instanceof Date) return value.toISOString();
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shortened(item)]));
}

function cut(text: string): string {
  return (text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}… ${text.length} characters`).toWellFormed();
}

/** Entries of one answer. */
const PAGE = 1000;

/** Answers `/audit?before=ID`: the newest entries, or those before one, as JSON lines, newest first. */
export async function listAudit(db: Database, url: URL): Promise<Response> {
  const before = Number(url.searchParams.get("before") ?? 2 ** 31 - 1);
  if (!Number.isInteger(before) || before < 0 || before >= 2 ** 31) {
    return new Response("before: give the id of an entry\n", { status: 400 });
  }
  const rows = await db.select().from(auditEntries).where(lt(auditEntries.id, before)).orderBy(desc(auditEntries.id))
    .limit(PAGE);
  return new Response(rows.map((row) => `${JSON.stringify(row)}\n`).join(""), {
    headers: { "content-type": "application/jsonl; charset=utf-8", "cache-control": "no-store" },
  });
}
