/** How many attributions there are by one or two of what people ask for first. */
import { resolveOffsetConnection } from "@pothos/plugin-relay";
import { type SQL, sql } from "drizzle-orm";
import { z } from "zod";
import { AttributionFilter, matchingAttributions } from "./attribution.ts";
import { countedToken, Group, groupedValue, type GroupName, shownKey } from "./attribution_groups.ts";
import { countsByToken } from "./attribution_token_counts.ts";
import { builder, MAX_PAGE, pageCost } from "./builder.ts";
import { attributions } from "../tables/tables.ts";

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

type Filter = typeof AttributionFilter.$inferInput | null | undefined;

/** The kept counts by token, where they answer. */
function countedTokens(
  group: GroupName | undefined,
  filter: Filter,
  page: { readonly limit: number; readonly offset: number },
  columns: SQL,
): SQL | undefined {
  const counted = group === "token" ? undefined : countsByToken(group, filter, page);
  return counted && sql`select ${columns}, count from (${counted}) as counted`;
}

/** Counts of the attributions that match, row by row. */
function countedRows(
  first: GroupName,
  second: GroupName | undefined,
  filter: Filter,
  { limit, offset }: { readonly limit: number; readonly offset: number },
): SQL {
  // Tokens are unnested in the list of what is selected: as a joined function each row would call it anew.
  const key = (group: GroupName) =>
    group === "token" ? countedToken(attributions.keyTokens) : groupedValue(group, attributions);
  return sql`select one, other, count(*)::int as count from (
      select ${key(first)} as one, ${second ? key(second) : sql`null::text`} as other
      from ${attributions} where ${matchingAttributions(filter, attributions)}) as selected
    group by 1, 2 order by 3 desc, 1, 2 limit ${limit} offset ${offset}`;
}

builder.queryField("attributionCounts", (t) =>
  t.connection(
    {
      type: AttributionCount,
      description:
        "Attributions counted by one or two groups, the largest count first. By TOKEN it is fast without a filter, or " +
        "with one by rule or one value of the other group; any other filter has the words of each match counted.",
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
          const page = { limit, offset };
          const grouped = first === "token"
            ? countedTokens(second, args.filter, page, sql`token as one, value as other`)
            : second === "token"
            ? countedTokens(first, args.filter, page, sql`value as one, token as other`)
            : undefined;
          const rows = await db.execute<{ one: string | null; other: string | null; count: number }>(sql`
            select ${shownKey(first, sql`one`)} as one,
              ${second ? shownKey(second, sql`other`) : sql`other`} as other, count
            from (${grouped ?? countedRows(first, second, args.filter, page)}) as grouped`);
          return [...rows].map(({ one, other, count }): CountRow => ({
            keys: second ? [one, other] : [one],
            count,
          }));
        }),
    },
    { name: "AttributionCountConnection", description: "A page of groups of attributions." },
    { name: "AttributionCountEdge", description: "A group of attributions with its cursor." },
  ));
