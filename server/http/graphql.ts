/** GraphQL over HTTP and server-sent events: Yoga with limits, and with errors that tell people what they can mend. */
import { EnvelopArmor } from "@escape.tech/graphql-armor";
import { renderGraphiQL } from "@graphql-yoga/render-graphiql";
import { getLogger } from "@logtape/logtape";
import { complexityFromQuery } from "@pothos/plugin-complexity";
import { type DocumentNode, getOperationAST, GraphQLError } from "graphql";
import { createYoga, maskError, type Plugin } from "graphql-yoga";
import { InputError } from "../../schema/types/input_error.ts";
import { MAX_DEPTH } from "../../schema/types/builder.ts";
import type { Context } from "../../schema/services/services.ts";
import { schema } from "../../schema/schema.ts";
import type { Allowance } from "./access/allowance.ts";
import { type Documents, hashOfDocument } from "./access/documents.ts";
import { type Client, LOCAL } from "../base/tokens.ts";
import { type AskedContext, guardMutations } from "./audit.ts";
import { ForbiddenError } from "../base/asker.ts";
import { unavailable } from "../database/database_errors.ts";
import { EXAMPLE_QUERIES } from "./example_queries.ts";
import type { Metrics } from "./metrics.ts";
import { isOutOfRange, originalOf } from "./refused_argument.ts";

/** Largest request with a file, in bytes. Larger files are streamed to `/imports`, or imported by their path. */
export const MAX_REQUEST_BYTES = 100_000_000;

export interface GraphQLParts {
  /** Fields that clients may ask for; no bound when left out. */
  readonly costs?: Allowance;
  /** Documents that are known by their hash, read when they are first asked for. */
  readonly documents?: () => Promise<Documents>;
  /** No other documents are answered. */
  readonly persistedOnly?: boolean;
  readonly metrics?: Metrics;
  /** Operations that run at a time; tests bear fewer. */
  readonly mostRunning?: number;
}

/** Operations that run at a time. More would only wait, for the database mostly, and fill the memory with their waiting. */
const MOST_RUNNING = 500;

/** The handler of `/graphql`. */
export function createGraphQL(
  context: Context,
  parts: GraphQLParts = {},
): (request: Request, client?: Client) => Promise<Response> {
  guardMutations(schema);
  const armor = new EnvelopArmor({
    maxDepth: { n: MAX_DEPTH },
    maxAliases: { n: 50 },
    maxDirectives: { n: 50 },
    maxTokens: { n: 5000 },
    // The schema counts cost itself, since it knows how long each list may be.
    costLimit: { enabled: false },
    // The schema is open source: hints help people and hide nothing.
    blockFieldSuggestion: { enabled: false },
  });
  const yoga = createYoga<{ readonly client: Client }>({
    schema,
    // Pothos keeps what it loads beside the context: each request needs an object of its own.
    context: ({ client }) => ({ ...context, client }),
    plugins: [...armor.protect().plugins, persisted(parts), measured(parts)],
    maskedErrors: { maskError: shownError },
    maxRequestBodySize: MAX_REQUEST_BYTES,
    cors: false,
    landingPage: false,
    graphiql: { title: "Culprit", defaultQuery: EXAMPLE_QUERIES },
    renderGraphiQL,
    logging: false,
  });
  return async (request, client = LOCAL) => await yoga.fetch(request, { client });
}

/** Fills in documents that come as their hash (`extensions.persistedQuery.sha256Hash`), and may refuse all others. */
function persisted({ documents, persistedOnly = false }: GraphQLParts): Plugin {
  const refuse = (code: string, message: string) => new GraphQLError(message, { extensions: { code } });
  return {
    onParams: async ({ params, setParams }) => {
      const asked = (params.extensions?.["persistedQuery"] as { readonly sha256Hash?: unknown } | undefined)
        ?.sha256Hash;
      if (asked === undefined && !persistedOnly) return;
      const known = await documents?.() ?? new Map<string, string>();
      const hash = typeof asked === "string" ? asked : hashOfDocument(params.query ?? "");
      const document = known.get(hash);
      if (params.query) {
        if (hashOfDocument(params.query) !== hash) throw refuse("BAD_INPUT", "The document has another hash");
        if (persistedOnly && document === undefined) {
          throw refuse("PERSISTED_ONLY", "This server answers the documents of its page only (CULPRIT_PERSISTED_ONLY)");
        }
        return;
      }
      // What GraphQL clients look for, to send the document itself.
      if (document === undefined) throw refuse("PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound");
      setParams({ ...params, query: document });
    },
  };
}

/** Counts what operations cost against the client's allowance, and how long they take. */
function measured({ costs, metrics, mostRunning = MOST_RUNNING }: GraphQLParts): Plugin {
  let running = 0;
  const tooMany = (message: string, seconds: number) =>
    new GraphQLError(message, {
      extensions: { code: "TOO_MANY", http: { status: 429, headers: { "retry-after": String(seconds) } } },
    });
  const charge = (document: DocumentNode, variables: Record<string, unknown>, context: unknown) => {
    const { client = LOCAL } = context as Partial<AskedContext>;
    if (!costs) return undefined;
    const { complexity } = complexityFromQuery(document, { schema, variables, ctx: {} });
    const wait = costs.spend(client.key, complexity);
    if (wait === 0) return undefined;
    return tooMany(`Too much was asked for; wait ${Math.ceil(wait)} s`, Math.ceil(wait));
  };
  return {
    onExecute: ({ args, setResultAndStopExecution }) => {
      const refused = charge(args.document, args.variableValues ?? {}, args.contextValue);
      if (refused) return void setResultAndStopExecution({ errors: [refused] });
      if (running >= mostRunning) {
        const busy = tooMany(`${running} operations are running; wait a second`, 1);
        return void setResultAndStopExecution({ errors: [busy] });
      }
      running++;
      const start = performance.now();
      const kind = getOperationAST(args.document, args.operationName)?.operation ?? "query";
      return {
        onExecuteDone: ({ result }) => {
          running--;
          const failed = "errors" in result && (result.errors?.length ?? 0) > 0;
          metrics?.operation(kind, failed, (performance.now() - start) / 1000);
        },
      };
    },
    onSubscribe: ({ args, setResultAndStopExecution }) => {
      const refused = charge(args.document, args.variableValues ?? {}, args.contextValue);
      if (refused) setResultAndStopExecution({ errors: [refused] });
    },
  };
}
/** What people caused is shown with a code; everything else is logged and hidden. */
function shownError(error: unknown, message: string): Error {
  const original = originalOf(error);
  const place = error instanceof GraphQLError ? { nodes: error.nodes ?? null, path: error.path ?? null } : {};
  if (original instanceof InputError) {
    const { what, where, mend } = original;
    return new GraphQLError(original.message, { ...place, extensions: { code: "BAD_INPUT", what, where, mend } });
  }
  if (original instanceof ForbiddenError) {
    return new GraphQLError(original.message, { ...place, extensions: { code: "FORBIDDEN", http: { status: 403 } } });
  }
  if (isOutOfRange(original)) {
    return new GraphQLError("An argument is out of range; give ids, numbers and texts that other queries returned", {
      ...place,
      extensions: { code: "BAD_INPUT" },
    });
  }
  // The client went away: nobody reads the answer, and nothing is wrong here.
  if (original?.name === "AbortError") {
    return new GraphQLError("The request was given up", { ...place, extensions: { code: "ABORTED" } });
  }
  const away = unavailable(original);
  if (away) {
    getLogger(["culprit", "graphql"]).error("{message}: {cause}", { ...away });
    return new GraphQLError(away.message, { ...place, extensions: { code: away.code, http: { status: 503 } } });
  }
  const masked = maskError(error, message, false);
  if (masked !== error) {
    getLogger(["culprit", "graphql"]).error("Unexpected error: {error}", { error: original?.stack ?? String(error) });
  } else if (masked instanceof GraphQLError && masked.path && masked.extensions["code"] === undefined) {
    // Libraries refuse arguments (cursors, global ids) without a code.
    return new GraphQLError(masked.message, { ...place, extensions: { ...masked.extensions, code: "BAD_INPUT" } });
  }
  return masked;
}
