/**
 * What the page shows, kept in the hash of the address, so that reload, back and a sent link show the same: one table of
 * fields for each page. Defaults are left out of the address; unknown or broken values are told and fall back to them.
 */
import {
  choice,
  flag,
  number,
  pattern,
  readState,
  type StateOf,
  text,
  usualState,
  whole,
  wholes,
  writeState,
} from "./address_field.ts";
import { UNITS } from "../../../figures/units.ts";
import type { Named } from "./graphql.ts";
import { type StudyPick, studyPicks } from "./study_picks.ts";

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

export const VIEWS = ["heat", "compare", "graph", "masking"] as const;

/** Which part of a graph's weights is shown. */
export const TERMS = ["all", "ov", "qk"] as const;

/** What a masked token becomes, and which tokens may be masked. */
export const REPLACEMENTS = [
  "ATTENTION",
  "REMOVE",
  "NEUTRAL",
  "MEAN",
] as const satisfies readonly Named<"MaskingReplacement">[];
export const SCOPES = ["PROMPT", "ALL"] as const satisfies readonly Named<"MaskingScope">[];

/** Steps of a graph's slider of weights; each is a factor, since weights span orders of magnitude. */
export const WEIGHT_STEPS = 40;

const CASES_FIELDS = {
  benchmark: text("benchmark"),
  model: text("model"),
  /** What became of the cases; empty = anything. */
  status: choice("status", STATUSES, ""),
  /** Why they are left out, as the API names it; empty = for any reason. */
  exclusion: pattern("exclusion", /^[A-Z_]{1,40}$/),
  /** The classifier's verdict. */
  outcome: choice("outcome", OUTCOME_CHOICES, ""),
  pattern: choice("pattern", PATTERN_CHOICES, ""),
  /** Of the list of answers alone: all cases failed. */
  verdict: choice("verdict", VERDICTS, ""),
  disagrees: choice("disagrees", DISAGREEMENTS, ""),
  /** Id of a job: only the cases that it worked on. */
  job: text("job"),
  /**
   * What is listed: every case, those without an attribution, every attribution, the attributions of one rule, or every
   * answer, passed ones too.
   */
  list: choice("list", LISTINGS, "cases"),
  /** Text of key, prompt, answer or token; one or two characters are a whole token. */
  search: text("search"),
  /** Target, contrast or a strongly relevant token, exactly. */
  token: text("token"),
  deltaFrom: number("from"),
  deltaTo: number("to"),
  order: choice("order", ORDERS, "newest"),
};

/** How a heatmap is shown. */
const HEAT_FIELDS = {
  rule: choice("rule", RULES, "ATTNLRP"),
  /** Node layer; 0 = embeddings. */
  layer: whole("layer", 0),
  values: choice("values", ["raw", "normalised"], "raw"),
  /** Whether special tokens take part in the colours and their scale. */
  special: flag("special", false),
  /** What one colour stands for. */
  unit: choice("unit", UNITS, "tokens"),
  /** Of a long text: the error and islands around the strongest tokens, or all of it. */
  text: choice("text", ["folded", "whole"], "folded"),
  /** Positions of tokens whose folds are open. */
  open: wholes("open"),
  /** Position of the token that is looked at; null = none. */
  at: whole("at", null),
};
export type HeatState = StateOf<typeof HEAT_FIELDS>;

/** How a graph is shown. */
const GRAPH_FIELDS = {
  /** Step of the least weight shown, share of mass shown in percent, whether the first token is. */
  weight: whole("weight", 0, WEIGHT_STEPS),
  mass: whole("mass", 100, 100),
  sink: flag("sink", true),
  term: choice("term", TERMS, "all"),
  /** One attention head; null = all. */
  head: whole("head", null, 9999),
  /** The chosen node, as row and token; empty = none. */
  node: wholes("node"),
};
export type GraphState = StateOf<typeof GRAPH_FIELDS>;

const CASE_FIELDS = {
  /** Id of one of the case's token pairs; empty = the one with the largest delta. */
  pair: text("pair"),
  /** What is shown: relevance over the text, two attributions, the graph over the layers, or masking. */
  view: choice("view", VIEWS, "heat"),
  /** Ids of the attributions that are compared; empty = the first two that there are. */
  left: text("left"),
  right: text("right"),
  ...HEAT_FIELDS,
  /** Of the graph: whether edges are wanted by head. */
  heads: flag("heads", false),
  ...GRAPH_FIELDS,
  /** Of masking: what a masked token becomes, which may be masked by rankings, and those masked by hand, in order. */
  replacement: choice("replacement", REPLACEMENTS, "ATTENTION"),
  scope: choice("scope", SCOPES, "PROMPT"),
  masked: wholes("masked"),
};

const ASK_FIELDS = {
  /** Id of the job that answers; empty before something was asked. */
  job: text("job"),
  /** Id of the job whose answer stands beside it; empty = none. */
  beside: text("beside"),
  /** Position of the chosen token, counted from the answer's first. */
  at: whole("at", null),
};

/** Whose relevance the text of a trace is coloured by: the error's through the steps, or at once, or a step's own. */
export const TRACE_HEATS = ["chain", "direct", "step"] as const;

const TRACE_FIELDS = {
  rule: choice("rule", RULES, "ATTNLRP"),
  /** Id of one of the pair's traces; empty = the newest of the rule. */
  trace: text("trace"),
  /** The part whose ancestors and descendants are shown alone: sentences of the prompt, then steps, then the error. */
  part: whole("part", null),
  signed: flag("signed", false),
  /** Parts that less of the error's relevance reaches, in thousandths, are folded. */
  least: whole("least", 10, 1000),
  /** First parts of folded runs that are opened, and parts whose whole text is shown. */
  open: wholes("open"),
  whole: wholes("whole"),
  heat: choice("heat", TRACE_HEATS, "chain"),
  /** Where steps begin while they are cut otherwise; empty = they are not. */
  cut: wholes("cut"),
};

const STUDIES_FIELDS = {
  /** The two members that a study compares, where these are not its first and its last. */
  picks: studyPicks("compare"),
};

export interface CasesRoute extends StateOf<typeof CASES_FIELDS> {
  readonly page: "cases";
}
export interface CaseRoute extends StateOf<typeof CASE_FIELDS> {
  readonly page: "case";
  readonly id: string;
}
/** Where models and files are added and work is started. */
export interface RunRoute {
  readonly page: "run";
}
/** A graph that another tool made, from a file of the reader's. */
export interface GraphRoute {
  readonly page: "graph";
}
/** What the words mean. */
export interface GlossaryRoute {
  readonly page: "glossary";
}
export interface StudiesRoute extends StateOf<typeof STUDIES_FIELDS> {
  readonly page: "studies";
}
/** A prompt typed just now, its answer, and the token of it that is looked at. */
export interface AskRoute extends StateOf<typeof ASK_FIELDS> {
  readonly page: "ask";
}

/** The steps of a completion before its error. */
export interface TraceRoute extends StateOf<typeof TRACE_FIELDS> {
  readonly page: "trace";
  /** Id of the token pair. */
  readonly pair: string;
}

export type Route =
  | AskRoute
  | CasesRoute
  | CaseRoute
  | GlossaryRoute
  | GraphRoute
  | RunRoute
  | StudiesRoute
  | TraceRoute;
export type { StudyPick };

export const FIRST_GRAPH: GraphState = usualState(GRAPH_FIELDS);
export const FIRST_HEAT: HeatState = usualState(HEAT_FIELDS);
export const ASK: AskRoute = { page: "ask", ...usualState(ASK_FIELDS) };
export const RUN: RunRoute = { page: "run" };
export const GRAPH: GraphRoute = { page: "graph" };
export const GLOSSARY_ROUTE: GlossaryRoute = { page: "glossary" };
export const STUDIES: StudiesRoute = { page: "studies", ...usualState(STUDIES_FIELDS) };
export const CASES: CasesRoute = { page: "cases", ...usualState(CASES_FIELDS) };

const FIRST_VIEW = usualState(CASE_FIELDS);

/** The first view of a case. */
export function caseRoute(id: string): CaseRoute {
  return { page: "case", id, ...FIRST_VIEW };
}

const FIRST_TRACE = usualState(TRACE_FIELDS);

/** The first view of a token pair's trace. */
export function traceRoute(pair: string): TraceRoute {
  return { page: "trace", pair, ...FIRST_TRACE };
}

/** What an address shows, and one line for each value that is none. */
export interface ReadRoute {
  readonly route: Route;
  readonly troubles: readonly string[];
}

/** Reads `location.hash`. */
export function readRoute(hash: string): ReadRoute {
  const [path = "", search = ""] = hash.replace(/^#/, "").split("?", 2);
  const query = new URLSearchParams(search);
  const id = /^\/case\/([^/]+)$/.exec(path)?.[1];
  if (id !== undefined) {
    const { state, troubles } = readState(CASE_FIELDS, query);
    return { route: { page: "case", id: decode(id), ...state }, troubles };
  }
  const pair = /^\/trace\/([^/]+)$/.exec(path)?.[1];
  if (pair !== undefined) {
    const { state, troubles } = readState(TRACE_FIELDS, query);
    return { route: { page: "trace", pair: decode(pair), ...state }, troubles };
  }
  if (path === "/ask") {
    const { state, troubles } = readState(ASK_FIELDS, query);
    return { route: { page: "ask", ...state }, troubles };
  }
  if (path === "/studies") {
    const { state, troubles } = readState(STUDIES_FIELDS, query);
    return { route: { page: "studies", ...state }, troubles };
  }
  if (path === "/run") return { route: RUN, troubles: readState({}, query).troubles };
  if (path === "/graph") return { route: GRAPH, troubles: readState({}, query).troubles };
  if (path === "/glossary") return { route: GLOSSARY_ROUTE, troubles: readState({}, query).troubles };
  const { state, troubles } = readState(CASES_FIELDS, query);
  const lost = ["", "/", "/cases"].includes(path)
    ? []
    : ["The address names no place of this page; here are the cases."];
  return { route: { page: "cases", ...state }, troubles: [...lost, ...troubles] };
}

export const parseRoute = (hash: string): Route => readRoute(hash).route;

function decode(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}

function queryOf(route: Route): URLSearchParams {
  switch (route.page) {
    case "ask":
      return writeState(ASK_FIELDS, route);
    case "case":
      return writeState(CASE_FIELDS, route);
    case "cases":
      return writeState(CASES_FIELDS, route);
    case "studies":
      return writeState(STUDIES_FIELDS, route);
    case "trace":
      return writeState(TRACE_FIELDS, route);
    case "glossary":
    case "graph":
    case "run":
      return new URLSearchParams();
  }
}

function pathOf(route: Route): string {
  if (route.page === "case") return `/case/${encodeURIComponent(route.id)}`;
  return route.page === "trace" ? `/trace/${encodeURIComponent(route.pair)}` : `/${route.page}`;
}

/** Writes a route as a hash, `#` included. */
export function formatRoute(route: Route): string {
  const path = pathOf(route);
  const search = queryOf(route).toString();
  return `#${path}${search === "" ? "" : `?${search}`}`;
}
