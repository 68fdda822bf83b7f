/**
 * What the page shows, kept in the hash of the address, so that reload, back and a sent link show the same.
 * Unknown or broken values fall back to the defaults; defaults are left out of the address.
 */

export const RULES = ["ATTNLRP", "CPLRP", "GRADIENT"] as const;
export type Rule = (typeof RULES)[number];

export const LISTINGS = ["cases", "unattributed", "attributions", ...RULES] as const;
export type Listing = (typeof LISTINGS)[number];

export const STATUSES = ["", "OPEN", "CLEAN", "EXCLUDED"] as const;
export type Status = (typeof STATUSES)[number];

/** What the classifier says of where a failure shows; empty = anything. */
export const OUTCOMES = ["", "M_IA", "NC_IA_M_AG", "NC_IA_AG"] as const;
export type OutcomeChoice = (typeof OUTCOMES)[number];

/** What it says of how the failure came about; empty = anything. */
export const PATTERNS = ["", "URT", "OIT", "URT_OIT"] as const;
export type PatternChoice = (typeof PATTERNS)[number];

export const ORDERS = ["newest", "oldest", "delta-down", "delta-up", "tokens-down", "tokens-up", "key"] as const;
export type Order = (typeof ORDERS)[number];

export interface CasesRoute {
  readonly page: "cases";
  readonly benchmark: string;
  readonly model: string;
  /** What became of the cases; empty = anything. Attributions are not filtered by it. */
  readonly status: Status;
  /** Why they are left out, as the API names it; empty = for any reason. */
  readonly exclusion: string;
  /** The classifier's verdict; only attributions have one. */
  readonly outcome: OutcomeChoice;
  readonly pattern: PatternChoice;
  /** What is listed: every case, those without an attribution, every attribution, or the attributions of one rule. */
  readonly list: Listing;
  /** Text of key, prompt or answer; shorter than three characters it finds nothing out. */
  readonly search: string;
  /** Target, contrast or a strongly relevant token; only attributions can be searched for it. */
  readonly token: string;
  readonly deltaFrom: number | null;
  readonly deltaTo: number | null;
  readonly order: Order;
}

export interface CaseRoute {
  readonly page: "case";
  readonly id: string;
  /** Id of one of the case's token pairs; empty = the one with the largest delta. */
  readonly pair: string;
  readonly rule: Rule;
  /** What is shown: relevance over the text, or the graph over the layers. */
  readonly view: "heat" | "compare" | "graph" | "masking";
  /** Node layer; 0 = embeddings. */
  readonly layer: number;
  readonly values: "raw" | "normalised";
  /** Whether special tokens take part in the colours and their scale. */
  readonly special: boolean;
}

/** Where models and files are added and work is started. */
export interface RunRoute {
  readonly page: "run";
}

export interface StudiesRoute {
  readonly page: "studies";
}

/** A prompt typed just now, its answer, and the token of it that is looked at. */
export interface AskRoute {
  readonly page: "ask";
  /** Id of the job that answers; empty before something was asked. */
  readonly job: string;
  /** Id of the job whose answer stands beside it; empty = none. */
  readonly beside: string;
  /** Position of the chosen token, counted from the answer's first. */
  readonly at: number | null;
}

export type Route = AskRoute | CasesRoute | CaseRoute | RunRoute | StudiesRoute;

export const ASK: AskRoute = { page: "ask", job: "", beside: "", at: null };

export const RUN: RunRoute = { page: "run" };
export const STUDIES: StudiesRoute = { page: "studies" };

export const CASES: CasesRoute = {
  page: "cases",
  benchmark: "",
  model: "",
  status: "",
  exclusion: "",
  outcome: "",
  pattern: "",
  list: "cases",
  search: "",
  token: "",
  deltaFrom: null,
  deltaTo: null,
  order: "newest",
};

/** The first view of a case. */
export function caseRoute(id: string): CaseRoute {
  return { page: "case", id, pair: "", rule: "ATTNLRP", view: "heat", layer: 0, values: "raw", special: false };
}

function oneOf<Choice extends string>(value: string | null, choices: readonly Choice[], otherwise: Choice): Choice {
  return choices.find((choice) => choice === value) ?? otherwise;
}

function numberOf(value: string | null): number | null {
  if (value === null || value.trim() === "") return null;
  const number = Number(value);
  return Number.isFinite(number) ? number : null;
}

function indexOf(value: string | null): number {
  return value !== null && /^\d{1,6}$/.test(value) ? Number(value) : 0;
}

/** Reads `location.hash`. */
export function parseRoute(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#/, "").split("?", 2);
  const query = new URLSearchParams(search);
  if (path === "/run") return RUN;
  if (path === "/studies") return STUDIES;
  if (path === "/ask") {
    const at = query.get("at");
    return {
      page: "ask",
      job: query.get("job") ?? "",
      beside: query.get("beside") ?? "",
      at: at !== null && /^\d{1,6}$/.test(at) ? Number(at) : null,
    };
  }
  const id = /^\/case\/([^/]+)$/.exec(path)?.[1];
  if (id !== undefined) {
    return {
      page: "case",
      id: decode(id),
      pair: query.get("pair") ?? "",
      rule: oneOf(query.get("rule"), RULES, "ATTNLRP"),
      view: oneOf(query.get("view"), ["heat", "compare", "graph", "masking"], "heat"),
      layer: indexOf(query.get("layer")),
      values: oneOf(query.get("values"), ["raw", "normalised"], "raw"),
      special: query.get("special") === "yes",
    };
  }
  return {
    page: "cases",
    benchmark: query.get("benchmark") ?? CASES.benchmark,
    model: query.get("model") ?? CASES.model,
    status: oneOf(query.get("status"), STATUSES, CASES.status),
    exclusion: /^[A-Z_]{1,40}$/.exec(query.get("exclusion") ?? "")?.[0] ?? CASES.exclusion,
    outcome: oneOf(query.get("outcome"), OUTCOMES, CASES.outcome),
    pattern: oneOf(query.get("pattern"), PATTERNS, CASES.pattern),
    list: oneOf(query.get("list"), LISTINGS, CASES.list),
    search: query.get("search") ?? CASES.search,
    token: query.get("token") ?? CASES.token,
    deltaFrom: numberOf(query.get("from")),
    deltaTo: numberOf(query.get("to")),
    order: oneOf(query.get("order"), ORDERS, CASES.order),
  };
}

function decode(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}

/** Writes a route as a hash, `#` included. */
export function formatRoute(route: Route): string {
  if (route.page === "run" || route.page === "studies") return `#/${route.page}`;
  const query = new URLSearchParams();
  const put = (name: string, value: string | number | null, usual: string | number | null) => {
    if (value !== usual && value !== null) query.set(name, String(value));
  };
  if (route.page === "ask") {
    put("job", route.job, "");
    put("beside", route.beside, "");
    put("at", route.at, null);
  } else if (route.page === "case") {
    const usual = caseRoute(route.id);
    put("pair", route.pair, usual.pair);
    put("rule", route.rule, usual.rule);
    put("view", route.view, usual.view);
    put("layer", route.layer, usual.layer);
    put("values", route.values, usual.values);
    put("special", route.special ? "yes" : "no", "no");
  } else {
    put("benchmark", route.benchmark, CASES.benchmark);
    put("model", route.model, CASES.model);
    put("status", route.status, CASES.status);
    put("exclusion", route.exclusion, CASES.exclusion);
    put("outcome", route.outcome, CASES.outcome);
    put("pattern", route.pattern, CASES.pattern);
    put("list", route.list, CASES.list);
    put("search", route.search, CASES.search);
    put("token", route.token, CASES.token);
    put("from", route.deltaFrom, null);
    put("to", route.deltaTo, null);
    put("order", route.order, CASES.order);
  }
  const path = route.page === "case" ? `/case/${encodeURIComponent(route.id)}` : `/${route.page}`;
  const search = query.toString();
  return `#${path}${search === "" ? "" : `?${search}`}`;
}
