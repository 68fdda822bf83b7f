/** What attributions are counted by, and how a group's key is computed and shown. */
import { type SQL, sql } from "drizzle-orm";
import type { AnyPgColumn } from "drizzle-orm/pg-core";
import { builder } from "./builder.ts";
import { models } from "../tables/tables.ts";

/**
 * Lower ends of the ranges of delta and of a segment's normalised sum; the first range lies below them. The counts of
 * key tokens are kept by these ranges in the database: other ends need a migration (attribution_token_counts.ts).
 */
const DELTA_EDGES = [0, 1, 2, 4, 8, 16] as const;
const SUM_EDGES = [-2, -1, -0.5, 0, 0.5, 1, 2] as const;

export const Group = builder.enumType("AttributionGroup", {
  description: "What attributions are counted by.",
  values: {
    PATTERN: { value: "pattern", description: "The classifier's pattern; null for none, or without a diagnosis." },
    OUTCOME: { value: "outcome", description: "The classifier's outcome; null without a diagnosis." },
    BENCHMARK: { value: "benchmark", description: "Benchmark of the failure case." },
    MODEL: { value: "model", description: "Name of the model that computed it." },
    RULE: { value: "rule", description: "Backward rule." },
    DELTA: { value: "delta", description: `Range of the logit difference; ranges begin at ${DELTA_EDGES.join(", ")}.` },
    INSTRUCTION: {
      value: "instruction",
      description: `Range of Instruction's normalised sum; ranges begin at ${SUM_EDGES.join(", ")}.`,
    },
    QUERY: { value: "query", description: "Range of Query's normalised sum." },
    ANSWER: { value: "answer", description: "Range of Answer's normalised sum." },
    SPECIAL: { value: "special", description: "Range of Special's normalised sum." },
    TOKEN: {
      value: "token",
      description:
        "Text of target, contrast and the ten most relevant input tokens: an attribution counts once for each.",
    },
  } as const,
});
export type GroupName = typeof Group.$inferType;

/** Columns that attributions and what is noted of their changes share. */
export interface GroupedColumns {
  readonly pattern: AnyPgColumn;
  readonly outcome: AnyPgColumn;
  readonly benchmark: AnyPgColumn;
  readonly modelId: AnyPgColumn;
  readonly rule: AnyPgColumn;
  readonly logitDifference: AnyPgColumn;
  readonly instructionSum: AnyPgColumn;
  readonly querySum: AnyPgColumn;
  readonly answerSum: AnyPgColumn;
  readonly specialSum: AnyPgColumn;
}

/** What is grouped by: as little as possible, names come later. Tokens are not one value of a row. */
export function groupedValue(group: Exclude<GroupName, "token">, table: GroupedColumns): SQL {
  switch (group) {
    case "pattern":
    case "outcome":
    case "benchmark":
    case "rule":
      return sql`${table[group]}`;
    case "model":
      return sql`${table.modelId}`;
    case "delta":
      return range(table.logitDifference, DELTA_EDGES);
    case "instruction":
    case "query":
    case "answer":
    case "special":
      return range(table[`${group}Sum`], SUM_EDGES);
  }
}

const range = (column: AnyPgColumn, edges: readonly number[]): SQL =>
  sql`width_bucket(${column}, array[${sql.raw(edges.join(", "))}]::float8[])`;

/** Each token of a row: where texts differ only after so many characters, an index could not hold them. */
export const countedToken = (tokens: AnyPgColumn): SQL => sql`left(unnest(${tokens}), 200)`;

/** A group's key as people read it, from the grouped value. */
export function shownKey(group: GroupName, value: SQL): SQL {
  switch (group) {
    case "model":
      return sql`(select ${models.name} from ${models} where ${models.id} = ${value})`;
    case "pattern":
    case "outcome":
    case "rule":
      return sql`upper(${value}::text)`;
    case "delta":
      return rangeNames(value, DELTA_EDGES);
    case "instruction":
    case "query":
    case "answer":
    case "special":
      return rangeNames(value, SUM_EDGES);
    case "benchmark":
    case "token":
      return value;
  }
}

function rangeNames(value: SQL, edges: readonly number[]): SQL {
  const names = [
    `below ${edges[0]}`,
    ...edges.slice(1).map((edge, index) => `${edges[index]} to ${edge}`),
    `from ${edges.at(-1)}`,
  ];
  return sql`(array[${sql.join(names.map((name) => sql`${name}::text`), sql`, `)}])[${value} + 1]`;
}
