/** The one Pothos builder. Every type file adds to it; `schema.ts` turns it into a schema. */
import SchemaBuilder from "@pothos/core";
import ComplexityPlugin from "@pothos/plugin-complexity";
import DrizzlePlugin from "@pothos/plugin-drizzle";
import ErrorsPlugin from "@pothos/plugin-errors";
import RelayPlugin from "@pothos/plugin-relay";
import ValidationPlugin from "@pothos/plugin-validation";
import { GraphQLError } from "graphql";
import { getTableConfig } from "drizzle-orm/pg-core";
import { InputError } from "./input_error.ts";
import type { Context } from "../services/services.ts";
import { relations } from "../tables/relations.ts";

/** Most rows of one page of a list. */
export const MAX_PAGE = 200;
/** Rows of a page when nothing is said. */
const DEFAULT_PAGE = 20;
/** Most tokens of one window. */
export const MAX_WINDOW = 1024;
/** Levels of fields in one operation. */
export const MAX_DEPTH = 12;
/** Fields of one operation, each counted as often as its lists may repeat it. */
export const MAX_COST = 20_000;

export interface SchemaTypes {
  DefaultFieldNullability: false;
  DrizzleRelations: typeof relations;
  Context: Context;
  Scalars: {
    ID: { Input: string; Output: string | number };
    DateTime: { Input: Date; Output: Date };
    File: { Input: File; Output: never };
  };
}

/** What a page of a list costs: its fields as often as it may repeat them. */
export function pageCost(
  { first, last }: { readonly first?: number | null | undefined; readonly last?: number | null | undefined },
): { readonly field: number; readonly multiplier: number } {
  return { field: 1, multiplier: Math.min(Math.max(first ?? last ?? DEFAULT_PAGE, 1), MAX_PAGE) };
}

/** Edges and nodes repeat as often as the connection field already says. */
const counted = { complexity: { field: 0, multiplier: 1 } };

export const builder = new SchemaBuilder<SchemaTypes>({
  plugins: [ErrorsPlugin, DrizzlePlugin, RelayPlugin, ComplexityPlugin, ValidationPlugin],
  defaultFieldNullability: false,
  drizzle: {
    client: (context: Context) => context.db,
    getTableConfig,
    relations,
    maxConnectionSize: MAX_PAGE,
    defaultConnectionSize: DEFAULT_PAGE,
  },
  complexity: {
    limit: { complexity: MAX_COST },
    complexityError: (_kind, { complexity }) =>
      new GraphQLError(`The operation may cost ${complexity} fields, more than ${MAX_COST}; ask for shorter lists`, {
        extensions: { code: "TOO_COSTLY" },
      }),
  },
  // Arguments that fail validation become the mutation's typed error, like every other bad input.
  errors: { directResult: true, unsafelyHandleInputErrors: true },
  relay: {
    cursorType: "String",
    nodeTypeOptions: { description: "Anything that can be fetched again by its `id`." },
    nodeQueryOptions: {
      description: "Anything that has an `id`, or null when there is no such thing.",
      args: { id: { description: "An id that another query returned." } },
      resolve: async (_parent, { id }, _context, _info, resolveNode) => {
        try {
          return await resolveNode(id);
        } catch (error) {
          // The plugin has no other word for it.
          if (error instanceof Error && /^Model .* not found$/s.test(error.message)) return null;
          throw error;
        }
      },
    },
    nodesQueryOptions: false,
    idFieldOptions: { description: "Global id, for `node` and for arguments." },
    pageInfoTypeOptions: { description: "Where a page of a list stands." },
    hasNextPageFieldOptions: { description: "Whether more follows after `endCursor`." },
    hasPreviousPageFieldOptions: { description: "Whether something comes before `startCursor`." },
    startCursorFieldOptions: { description: "Cursor of the page's first item." },
    endCursorFieldOptions: { description: "Cursor of the page's last item: give it as `after` for the next page." },
    firstArgOptions: {
      description: `How many items from the front, ${MAX_PAGE} at most; ${DEFAULT_PAGE} when nothing is said.`,
    },
    afterArgOptions: { description: "Start after this cursor." },
    lastArgOptions: { description: `How many items from the end, ${MAX_PAGE} at most.` },
    beforeArgOptions: { description: "End before this cursor." },
    edgesFieldOptions: { description: "The page's items with their cursors.", ...counted },
    nodeFieldOptions: { description: "The item." },
    nodesOnConnection: { description: "The page's items.", ...counted },
    cursorFieldOptions: { description: "Cursor of this item." },
    pageInfoFieldOptions: { description: "Where this page stands in the list." },
  },
  validation: {
    validationError: ({ issues }) => {
      const issue = issues[0];
      const path = (issue?.path ?? []).map((part) => typeof part === "object" ? part.key : part).join(".");
      return new InputError(issue?.message ?? "it is not valid", path, "mend the argument");
    },
  },
});

builder.queryType({ description: "What can be read." });
builder.mutationType({
  description: "What can be asked for. Long work returns its Job at once; bad input is a result, not an error.",
});
builder.subscriptionType({ description: "What can be watched, over server-sent events." });

builder.scalarType("DateTime", {
  description: "A moment, ISO 8601 with milliseconds in UTC.",
  serialize: (value) => value.toISOString(),
  parseValue: (value) => {
    const date = new Date(String(value));
    if (Number.isNaN(date.getTime())) throw new TypeError(`"${value}" is no ISO 8601 moment`);
    return date;
  },
});

builder.scalarType("File", {
  description: "A file of a multipart request (GraphQL multipart request specification).",
  serialize: () => {
    throw new TypeError("A File is an input only");
  },
  parseValue: (value) => {
    if (value instanceof File) return value;
    throw new TypeError("A file must be sent as a part of a multipart request");
  },
});
