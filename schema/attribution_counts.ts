/** How many attributions there are by one or two of what people ask for first. */
import { resolveOffsetConnection } from "@pothos/plugin-relay";
import { type SQL, sql } from "drizzle-orm";
import type { AnyPgColumn } from "drizzle-orm/pg-core";
import { z } from "zod";
import { AttributionFilter, matchingAttributions } from "./attribution.ts";
import { builder, MAX_PAGE, pageCost } from "./builder.ts";
import { attributions, models } from "./tables.ts";

/** Lower ends of the ranges of delta and of a segment's normalised sum; the first range lies below them. */
const DELTA_EDGES = [0, 1, 2, 4, 8, 16] as const;
const SUM_EDGES = [-2, -1, -0.5, 0, 0.5, 1, 2] as const;

const Group = builder.enumType("AttributionGroup", {
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
type GroupName = typeof Group.$inferType;

const range = (column: AnyPgColumn, edges: readonly number[]): SQL =>
  sql`width_bucket(${column}, array[${sql.raw(edges.join(", "))}]::float8[])`;

/** What is grouped by: as little as possible, names come later. */
const KEYS: Readonly<Record<GroupName, SQL>> = {
  pattern: sql`${attributions.pattern}`,
  outcome: sql`${attributions.outcome}`,
  benchmark: sql`${attributions.benchmark}`,
  model: sql`${attributions.modelId}`,
  rule: sql`${attributions.rule}`,
  delta: range(attributions.logitDifference, DELTA_EDGES),
  instruction: range(attributions.instructionSum, SUM_EDGES),
  query: range(attributions.querySum, SUM_EDGES),
  answer: range(attributions.answerSum, SUM_EDGES),
  special: range(attributions.specialSum, SUM_EDGES),
  token: sql`unnest(${attributions.keyTokens})`,
};

/** A group's key as people read it, from the grouped value. */
function shownKey(group: GroupName, value: SQL): SQL {
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

interface CountRow {
  readonly keys: readonly (string | null)[];
  readonly count: number;
}

const AttributionCount = builder.objectRef<CountRow>("AttributionCount").implement({
  description: "A group of attributions and its size.",
  fields: (t) => ({
    keys: t.stringList({
      nullable: { list: false, items: true },
      description:
        "One for each of `by`, in its order. Enums by their names, ranges as `1 to 2` (1 is inside, 2 is not).",
      complexity: { field: 1, multiplier: 1 },
      resolve: ({ keys }) => [...keys],
    }),
    count: t.exposeInt("count", { description: "How many." }),
  }),
});

builder.queryField("attributionCounts", (t) =>
  t.connection(
    {
      type: AttributionCount,
      description:
        "Attributions counted by one or two groups, the largest count first. Without a filter it reads all " +
        "attributions; by TOKEN this takes longest.",
      complexity: pageCost,
      args: {
        by: t.arg({
          type: [Group],
          required: true,
          description: "One or two different groups.",
          validate: z.array(z.string()).min(1).max(2).refine((groups) => new Set(groups).size === groups.length, {
            message: "the groups are the same",
          }),
        }),
        filter: t.arg({ type: AttributionFilter, description: "Which to count." }),
      },
      resolve: (_parent, args, { db }) =>
        resolveOffsetConnection({ args, maxSize: MAX_PAGE }, async ({ limit, offset }) => {
          const [first, second] = args.by as [GroupName, GroupName?];
          // Tokens are unnested in the list of what is selected: as a joined function each row would call it anew.
          const selected = sql`select ${KEYS[first]} as one, ${second ? KEYS[second] : sql`null::text`} as other
            from ${attributions} where ${matchingAttributions(args.filter, attributions)}`;
          const grouped = sql`select one, other, count(*)::int as count from (${selected}) as selected
            group by 1, 2 order by 3 desc, 1, 2 limit ${limit} offset ${offset}`;
          const rows = await db.execute<{ one: string | null; other: string | null; count: number }>(sql`
            select ${shownKey(first, sql`one`)} as one,
              ${second ? shownKey(second, sql`other`) : sql`other`} as other, count from (${grouped}) as grouped`);
          return [...rows].map(({ one, other, count }): CountRow => ({
            keys: second ? [one, other] : [one],
            count,
          }));
        }),
    },
    { name: "AttributionCountConnection", description: "A page of groups of attributions." },
    { name: "AttributionCountEdge", description: "A group of attributions with its cursor." },
  ));
