/** GraphQL over HTTP and server-sent events: Yoga with limits, and with errors that tell people what they can mend. */
import { EnvelopArmor } from "@escape.tech/graphql-armor";
import { renderGraphiQL } from "@graphql-yoga/render-graphiql";
import { getLogger } from "@logtape/logtape";
import { GraphQLError } from "graphql";
import { createYoga, maskError } from "graphql-yoga";
import { BadInput } from "../schema/bad_input.ts";
import { MAX_DEPTH } from "../schema/builder.ts";
import type { Context } from "../schema/context.ts";
import { schema } from "../schema/schema.ts";

/** Largest request that is read, in bytes. Larger files are imported by their path. */
export const MAX_REQUEST_BYTES = 100_000_000;

/** The handler of `/graphql`. */
export function createGraphQL(context: Context): (request: Request) => Promise<Response> {
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
  const yoga = createYoga({
    schema,
    // Pothos keeps what it loads beside the context: each request needs an object of its own.
    context: () => ({ ...context }),
    plugins: [...armor.protect().plugins],
    maskedErrors: { maskError: shownError },
    maxRequestBodySize: MAX_REQUEST_BYTES,
    cors: false,
    landingPage: false,
    graphiql: { title: "Culprit", defaultQuery: FIRST_QUERY },
    renderGraphiQL,
    logging: false,
  });
  return async (request) => await yoga.fetch(request);
}

const FIRST_QUERY = `# The failures with the largest logit difference, and what was to blame.
query Failures {
  failureCases(first: 5, orderBy: { by: DELTA }) {
    nodes {
      key
      tokenPairs {
        delta
        target { text }
        contrast { text }
        attribution(rule: ATTNLRP) { relevance(count: 20) scale }
      }
    }
  }
}
`;

/** PostgreSQL's codes for arguments that are no numbers, too large ones, or texts with NUL. */
const OUT_OF_RANGE: ReadonlySet<string> = new Set(["22003", "22P02", "22021"]);

/** What people caused is shown with a code; everything else is logged and hidden. */
function shownError(error: unknown, message: string): Error {
  const original = originalOf(error);
  const place = error instanceof GraphQLError ? { nodes: error.nodes ?? null, path: error.path ?? null } : {};
  if (original instanceof BadInput) {
    const { what, where, mend } = original;
    return new GraphQLError(original.message, { ...place, extensions: { code: "BAD_INPUT", what, where, mend } });
  }
  const code = (original?.cause as { code?: unknown } | undefined)?.code;
  if (typeof code === "string" && OUT_OF_RANGE.has(code)) {
    return new GraphQLError("An argument is out of range; give ids, numbers and texts that other queries returned", {
      ...place,
      extensions: { code: "BAD_INPUT" },
    });
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

function originalOf(error: unknown): Error | undefined {
  if (error instanceof GraphQLError) return error.originalError ? originalOf(error.originalError) : error;
  return error instanceof Error ? error : undefined;
}
