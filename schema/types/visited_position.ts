/** VisitedPosition: the evidence that a search of token pairs left at a position of a failed answer. */
import { type SQL, sql } from "drizzle-orm";
import { InputError } from "./input_error.ts";
import { builder } from "./builder.ts";
import { FailureCase } from "./failure_case.ts";
import { pairSearches } from "../tables/search_tables.ts";
import type { failureCases } from "../tables/tables.ts";
import { CandidateType } from "./token_pair.ts";
import type { Candidate } from "../tables/values.ts";
import { checkWindow } from "./window.ts";

/** Positions of one window: each has as many alternatives as were tried. */
const MAX_POSITIONS = 64;
const MAX_TRIED = 100;

/** As the search stores it (server/search/search.ts). */
interface StoredPosition {
  readonly position: number;
  readonly proposedBy: "own" | "sibling";
  readonly target: { readonly id: number; readonly rank: number | null; readonly logit: number | null };
  readonly tried: readonly Candidate[];
}

interface PositionRow extends StoredPosition {
  readonly text: string;
}

const Proposer = builder.enumType("CandidateProposer", {
  description: "Whose best-ranked tokens were tried.",
  values: {
    OWN: { value: "own", description: "Those of the model that failed." },
    SIBLING: { value: "sibling", description: "Those of the larger model of the family." },
  } as const,
});

const VisitedTarget = builder.objectRef<PositionRow>("VisitedTarget").implement({
  description: "The answer's own token at a position that was visited.",
  fields: (t) => ({
    id: t.int({ description: "Token id.", resolve: ({ target }) => target.id }),
    text: t.exposeString("text", { description: "Text of the token." }),
    rank: t.int({
      nullable: true,
      description: "Rank in the model that failed, 0 = its own choice; null past the ranks that were looked at.",
      resolve: ({ target }) => target.rank,
    }),
    logit: t.float({
      nullable: true,
      description: "Logit in the model that failed; null past the ranks that were looked at.",
      resolve: ({ target }) => target.logit,
    }),
  }),
});

const VisitedPosition = builder.objectRef<PositionRow>("VisitedPosition").implement({
  description: "A position of a failed answer where alternatives were forced, continued greedily and checked.",
  fields: (t) => ({
    position: t.exposeInt("position", { description: "Counted from the completion's first token." }),
    proposedBy: t.expose("proposedBy", { type: Proposer, description: "Whose alternatives were tried." }),
    target: t.field({ type: VisitedTarget, description: "The answer's own token there.", resolve: (row) => row }),
    triedCount: t.int({ description: "Alternatives that were tried.", resolve: ({ tried }) => tried.length }),
    recovered: t.boolean({
      description: "Whether one of them led to an answer that passes.",
      resolve: ({ tried }) => tried.some(({ passed }) => passed === true),
    }),
    tried: t.field({
      type: [CandidateType],
      description: "The alternatives that were tried, best rank of the model that proposed them first; those that " +
        "passed come before all others.",
      complexity: ({ first }) => ({ field: 1, multiplier: Math.min(Math.max(first, 1), MAX_TRIED) }),
      args: {
        first: t.arg.int({
          required: true,
          defaultValue: 10,
          description: `How many of them, ${MAX_TRIED} at most.`,
        }),
      },
      resolve: ({ tried }, { first }) => {
        if (first < 1 || first > MAX_TRIED) {
          throw new InputError(`first is ${first}`, "tried", `give a number from 1 to ${MAX_TRIED}`);
        }
        const passed = ({ passed }: Candidate) => passed === true ? 0 : 1;
        return [...tried].sort((a, b) => passed(a) - passed(b) || a.rank - b.rank).slice(0, first);
      },
    }),
  }),
});

/** A value of the case's search, read by the database so that only a window travels; null where nothing was searched. */
const ofSearch = <Value>(table: typeof failureCases, value: SQL): SQL<Value | null> =>
  sql<Value | null>`(select ${value} from ${pairSearches} where ${pairSearches.failureCaseId} = ${table.id})`;

builder.drizzleObjectFields(FailureCase, (t) => ({
  visitedPositionCount: t.int({
    description: "Positions of the answer that a search of token pairs visited; with a sibling, some of them twice.",
    select: {
      columns: {},
      extras: {
        visitedCount: (table) =>
          ofSearch<number>(table as typeof failureCases, sql`jsonb_array_length(${pairSearches.state} -> 'visited')`),
      },
    },
    resolve: ({ visitedCount }) => visitedCount ?? 0,
  }),
  visitedPositions: t.field({
    type: [VisitedPosition],
    description: "A window of the positions that a search of token pairs visited, in the order of the search, each " +
      "with every alternative that was tried. Cases that were imported with their pair have none.",
    complexity: ({ count }) => ({ field: 1, multiplier: Math.min(Math.max(count, 1), MAX_POSITIONS) }),
    args: {
      from: t.arg.int({ required: true, defaultValue: 0, description: "First of the window." }),
      count: t.arg.int({
        required: true,
        defaultValue: 20,
        description: `Positions in the window, ${MAX_POSITIONS} at most; fewer come back at the end.`,
      }),
    },
    select: ({ from, count }) => {
      checkWindow(from, count, MAX_POSITIONS, "visitedPositions");
      const window = `$.visited[${from} to ${from + count - 1}]`;
      return {
        columns: {},
        with: { model: { columns: { directory: true } } },
        extras: {
          visitedWindow: (table) =>
            ofSearch<StoredPosition[]>(
              table as typeof failureCases,
              sql`jsonb_path_query_array(${pairSearches.state}, ${window}::jsonpath)`,
            ),
        },
      };
    },
    resolve: async ({ visitedWindow, model }, _args, context) => {
      const rows = visitedWindow ?? [];
      if (rows.length === 0) return [];
      const tokens = await context.services.showTokens(model.directory, rows.map(({ target }) => target.id));
      return rows.map((row, index): PositionRow => ({ ...row, text: tokens[index]?.text ?? "" }));
    },
  }),
}));
