/** What people ask for while they look around: lists, filters and single nodes, with values drawn anew each time. */
import { GENERATED } from "../attribution_rows.ts";
import type { Random } from "../random.ts";

export const KINDS = ["list", "filter", "node"] as const;
export type Kind = (typeof KINDS)[number];

export interface LoadQuery {
  readonly kind: Kind;
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

/** A page of the case list, with the fields that the page of Culprit shows. */
const LIST_CASES = `query ($filter: FailureCaseFilter, $orderBy: FailureCaseOrder, $after: String) {
  failureCases(first: 20, filter: $filter, orderBy: $orderBy, after: $after) {
    pageInfo { hasNextPage endCursor }
    nodes { id key benchmark task tokenCount status exclusion
      tokenPairs { id delta target { text } contrast { text } attributions { rule } } }
  }
}`;

const LIST_ATTRIBUTIONS = `query ($filter: AttributionFilter, $orderBy: AttributionOrder, $after: String) {
  attributions(first: 20, filter: $filter, orderBy: $orderBy, after: $after) {
    pageInfo { hasNextPage endCursor }
    nodes { id rule logitDifference outcome pattern
      tokenPair { id delta target { text } contrast { text }
        failureCase { id key benchmark task tokenCount status exclusion } } }
  }
}`;

const NODE = `query ($id: ID!) {
  node(id: $id) {
    id
    ... on FailureCase { key benchmark task status prompt prefix tokenCount
      tokens(count: 54) { position text segment special }
      tokenPairs { id delta target { text } contrast { text } attributions { id rule } } }
    ... on Attribution { rule logitDifference layers scale relevance(count: 54) }
    ... on TokenPair { delta target { text } contrast { text } attribution(rule: ATTNLRP) { id relevance(count: 54) } }
  }
}`;

const pick = <Value>(random: Random, values: readonly Value[]): Value => values[random.integer(0, values.length - 1)]!;

/** Makes queries over `rows` generated cases. `cursors` are ends of pages that earlier answers gave, by their order. */
export function drawQuery(random: Random, rows: number, cursors: Map<string, string>): LoadQuery {
  const kind = random.next();
  if (kind < 0.35) {
    const cases = random.next() < 0.7;
    const by = pick(random, cases ? ["CREATED", "DELTA", "TOKENS", "KEY"] : ["CREATED", "DELTA", "TOKENS"]);
    const orderBy = { by, direction: pick(random, ["ASC", "DESC"]) };
    // Half of the lists go on where another one ended.
    const name = `${cases} ${by} ${orderBy.direction}`;
    const after = random.next() < 0.5 ? cursors.get(name) ?? null : null;
    return { kind: "list", query: cases ? LIST_CASES : LIST_ATTRIBUTIONS, variables: { orderBy, after } };
  }
  if (kind < 0.7) return drawFilter(random, rows);
  const type = pick(random, ["FailureCase", "TokenPair", "Attribution"]);
  return { kind: "node", query: NODE, variables: { id: btoa(`${type}:${random.integer(1, rows)}`) } };
}

/** The name that the cursor of a list's answer is kept under; undefined where pages don't go on. */
export function cursorName({ kind, query, variables }: LoadQuery): string | undefined {
  if (kind !== "list") return undefined;
  const { by, direction } = variables["orderBy"] as { readonly by: string; readonly direction: string };
  return `${query === LIST_CASES} ${by} ${direction}`;
}

function drawFilter(random: Random, rows: number): LoadQuery {
  const { benchmarks, models } = GENERATED;
  const near = (middle: number, width: number) => ({ min: middle - width, max: middle + width });
  const delta = near(1 + 6 * random.next(), 0.01);
  const benchmark = pick(random, benchmarks);
  const model = pick(random, models);
  if (random.next() < 0.5) {
    const task = String(random.integer(1, rows));
    const filter = pick(random, [
      { benchmark },
      { model },
      { benchmark, model },
      { delta },
      { benchmark, delta: { min: 5 } },
      { status: "CLEAN" },
      { key: `generated/${task}` },
      { benchmark, task },
      { tokens: near(54, 2) },
      { attributed: true, model },
    ]);
    return { kind: "filter", query: LIST_CASES, variables: { filter } };
  }
  const filter = pick(random, [
    { pattern: pick(random, ["URT", "OIT", "URT_OIT"]) },
    { outcome: pick(random, ["M_IA", "NC_IA_M_AG", "NC_IA_AG"]) },
    { benchmark },
    { model },
    { delta },
    { segment: { segment: pick(random, ["INSTRUCTION", "QUERY", "ANSWER"]), min: 1 + 3 * random.next() } },
    { token: `word${random.integer(0, 4)}` },
    { token: `word${random.integer(1000, 4990)}` },
    { token: `word${random.integer(0, 4990)}`, pattern: "OIT" },
    { pattern: pick(random, ["OIT", "URT"]), benchmark, model },
    { pattern: "OIT", delta: { min: 5 + 2 * random.next() }, segment: { segment: "INSTRUCTION", max: -1 } },
  ]);
  return { kind: "filter", query: LIST_ATTRIBUTIONS, variables: { filter } };
}
