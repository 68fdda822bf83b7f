/**
 * Counts by token without looking at attributions: each counts once for each of about twelve words, which no index
 * holds in a form that can be counted in time. So the database keeps these counts (migrations, `fold_...`), by scope
 * (`all` rules, or one), dimension (a group, or `token` for none) and its value, and each page is read in order.
 *
 * What changed lately is noted by triggers, in the transaction that changes it, and folded into the counts every few
 * hundred notes: counts plus notes are exact in every snapshot, and nobody waits for somebody else's count.
 */
import { type SQL, sql } from "drizzle-orm";
import type { AttributionFilter } from "./attribution.ts";
import { attributionTokenChanges as changes, attributionTokenCounts as counts } from "../tables/analysis_tables.ts";
import { countedToken, groupedValue, type GroupName } from "./attribution_groups.ts";
import { models } from "../tables/tables.ts";

type Filter = typeof AttributionFilter.$inferInput;

/** Groups that a filter may name one value of. */
const NAMED = ["pattern", "outcome", "benchmark", "model"] as const;

/** Groups whose values are numbers; all others are words. */
const NUMBERED: ReadonlySet<GroupName> = new Set(["model", "delta", "instruction", "query", "answer", "special"]);

/**
 * Rows `token`, `value` and `count`, the largest count first, or undefined where the kept counts do not answer: with a
 * filter, other than by rule or by one value of what is counted. `group`: what is counted by beside the token.
 */
export function countsByToken(
  group: Exclude<GroupName, "token"> | undefined,
  filter: Filter | null | undefined,
  { limit, offset }: { readonly limit: number; readonly offset: number },
): SQL | undefined {
  const { rule, ...conditions } = filter ?? {};
  const given = Object.entries(conditions).filter(([, condition]) => condition != null).map(([name]) => name);
  const named = NAMED.find((name) => name === given[0]);
  if (given.length > (named === undefined ? 0 : 1) || (group !== undefined && named !== undefined && named !== group)) {
    return undefined;
  }
  const dimension = group ?? named;
  const scope = rule ?? "all";
  const only = named === undefined
    ? undefined
    : named === "model"
    ? sql`(select ${models.id}::text from ${models} where ${models.name} = ${filter?.model})`
    : sql`${filter?.[named]}::text`;
  const place = sql`${counts.scope} = ${scope} and ${counts.dimension} = ${dimension ?? "token"}`;
  const value = dimension === undefined ? sql`''` : sql`coalesce(${groupedValue(dimension, changes)}::text, '')`;
  // Kept counts are read in the order of their index until there are enough, without those that changed.
  return sql`
    with noted as materialized (
      select token, value, sum(sign)::int as change from (
        select ${changes.sign} as sign, ${countedToken(changes.tokens)} as token, ${value} as value from ${changes}
        ${rule == null ? sql`` : sql`where ${changes.rule} = ${rule}`}
      ) as words ${only === undefined ? sql`` : sql`where value = ${only}`} group by token, value
    ), kept as (
      select ${counts.token} as token, ${counts.value} as value, ${counts.attributions} as count from ${counts}
      where ${place} ${only === undefined ? sql`` : sql`and ${counts.value} = ${only}`}
        and (${counts.token}, ${counts.value}) not in (select token, value from noted)
      order by ${counts.attributions} desc, ${counts.token}, ${counts.value} limit ${limit + offset}
    ), changed as (
      select token, value, change + coalesce((select ${counts.attributions} from ${counts}
          where ${place} and ${counts.value} = noted.value and ${counts.token} = noted.token), 0) as count
      from noted
    )
    select token, ${group !== undefined && NUMBERED.has(group) ? sql`nullif(value, '')::int` : sql`nullif(value, '')`}
        as value, count
    from (select * from kept union all select * from changed where count > 0) as all_counts
    order by count desc, token, all_counts.value limit ${limit} offset ${offset}`;
}
