/**
 * What the page shows, kept in the hash of the address, so that reload, back and a sent link show the same.
 * Unknown or broken values fall back to the defaults; defaults are left out of the address.
 */

export const RULES = ["ATTNLRP", "CPLRP", "GRADIENT"] as const;
export type Rule = (typeof RULES)[number];

export const LISTINGS = ["cases", "unattributed", "attributions", ...RULES, "answers"] as const;
export type Listing = (typeof LISTINGS)[number];

export const STATUSES = ["", "OPEN", "CLEAN", "EXCLUDED"] as const;
export type Status = (typeof STATUSES)[number];

/** What the classifier says of where a failure shows; empty = anything. */
export const OUTCOME_CHOICES = ["", "M_IA", "NC_IA_M_AG", "NC_IA_AG"] as const;
export type OutcomeChoice = (typeof OUTCOME_CHOICES)[number];

/** What it says of how the failure came about; empty = anything. */
export const PATTERN_CHOICES = ["", "URT", "OIT", "URT_OIT"] as const;
export type PatternChoice = (typeof PATTERN_CHOICES)[number];

/** What became of answers; empty = anything. Only the list of answers has others than failures. */
export const VERDICTS = ["", "passed", "failed", "undecided"] as const;
export type VerdictChoice = (typeof VERDICTS)[number];

/** Whether log and checker judge an answer differently; empty = either. */
export const DISAGREEMENTS = ["", "yes", "no"] as const;
export type Disagreement = (typeof DISAGREEMENTS)[number];

export const ORDERS = ["newest", "oldest", "delta-down", "delta-up", "tokens-down", "tokens-up", "key"] as const;
export type Order = (typeof ORDERS)[number];

export interface CasesRoute {
  readonly page: "cases";
  readonly benchmark: string;
  readonly model: string;
  /** What became of the cases; empty = anything. */
  readonly status: Status;
  /** Why they are left out, as the API names it; empty = for any reason. */
  readonly exclusion: string;
  /** The classifier's verdict. */
  readonly outcome: OutcomeChoice;
  readonly pattern: PatternChoice;
  /** Of the list of answers alone: all cases failed. */
  readonly verdict: VerdictChoice;
  readonly disagrees: Disagreement;
  /** Id of a job: only the cases that it worked on. */
  readonly job: string;
  /**
   * What is listed: every case, those without an attribution, every attribution, the attributions of one rule, or every
   * answer, passed ones too.
   */
  readonly list: Listing;
  /** Text of key, prompt, answer or token; one or two characters are a whole token. */
  readonly search: string;
  /** Target, contrast or a strongly relevant token, exactly. */
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
  /** Ids of the attributions that are compared; empty = the first two that there are. */
  readonly left: string;
  readonly right: string;
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
  verdict: "",
  disagrees: "",
  job: "",
  list: "cases",
  search: "",
  token: "",
  deltaFrom: null,
  deltaTo: null,
  order: "newest",
};

/** The first view of a case. */
export function caseRoute(id: string): CaseRoute {
  return {
    page: "case",
    id,
    pair: "",
    rule: "ATTNLRP",
    view: "heat",
    left: "",
    right: "",
    layer: 0,
    values: "raw",
    special: false,
  };
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
      left: query.get("left") ?? "",
      right: query.get("right") ?? "",
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
    outcome: oneOf(query.get("outcome"), OUTCOME_CHOICES, CASES.outcome),
    pattern: oneOf(query.get("pattern"), PATTERN_CHOICES, CASES.pattern),
    verdict: oneOf(query.get("verdict"), VERDICTS, CASES.verdict),
    disagrees: oneOf(query.get("disagrees"), DISAGREEMENTS, CASES.disagrees),
    job: query.get("job") ?? CASES.job,
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
    put("left", route.left, usual.left);
    put("right", route.right, usual.right);
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
    put("verdict", route.verdict, CASES.verdict);
    put("disagrees", route.disagrees, CASES.disagrees);
    put("job", route.job, CASES.job);
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
