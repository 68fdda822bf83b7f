/** What resolvers are given: the database, and the services that only the server can perform. */
import type { PostgresJsDatabase } from "drizzle-orm/postgres-js";
import type { relations } from "../tables/relations.ts";
import type { SQL } from "drizzle-orm";
import type { GraphOptions, MaskingOptions, StudyPairs, WeightFormula } from "../tables/analysis_values.ts";
import type { LabelAgreementRequest, LabelAgreementRow } from "./label.ts";
import type { MaskingSummaryRow } from "./masking_experiment.ts";
import type { PreferenceExportRow } from "./preference_export.ts";
import type { CollectInput, PairSearchInput } from "../tables/search_values.ts";
import type { StudyPointRow, StudyPointsRequest, StudySummaryRow } from "./study.ts";
import type { Rule } from "../tables/rules.ts";
import type { ImportChoices } from "../tables/values.ts";

export type Database = PostgresJsDatabase<typeof relations>;

/** A file that came with a request, or the path of a file on the server. Exactly one is given. */
export interface ImportRequest {
  readonly file: { readonly name: string; stream(): ReadableStream<Uint8Array> } | undefined;
  readonly path: string | undefined;
  readonly idempotencyKey: string | undefined;
  /** culprit/1 when left out. `items` is a path that people gave, or a benchmark's name. */
  readonly choices?: ImportChoices;
}

export interface AttributeRequest {
  /** Row ids; "missing" = every token pair without an attribution of the rule, "clean" = those with delta > 1. */
  readonly tokenPairIds: readonly number[] | "missing" | "clean";
  readonly rule: Rule;
  readonly idempotencyKey: string | undefined;
}

export interface BuildGraphRequest {
  /** Row ids; "missing" = every token pair without such a graph, "clean" = those with delta > 1. */
  readonly tokenPairIds: readonly number[] | "missing" | "clean";
  readonly rule: Rule;
  readonly options: GraphOptions;
  readonly idempotencyKey: string | undefined;
}

export interface DiagnoseRequest {
  /** Row ids; "missing" = every token pair without a diagnosis of this version, "clean" = those with delta > 1. */
  readonly tokenPairIds: readonly number[] | "missing" | "clean";
  readonly rule: Rule;
  readonly idempotencyKey: string | undefined;
}

export interface AnnotateRequest {
  readonly annotator: string;
  readonly decision: "pair" | "exclude";
  /** Counted from the completion's first token. */
  readonly position: number | null;
  readonly targetId: number | null;
  readonly contrast: { readonly id: number } | { readonly text: string } | null;
  readonly reason: string;
  /** An exclusion counts at once, instead of being one vote. */
  readonly settle: boolean;
}

/** Tokens that follow each other and the letter of their segment. */
export interface SegmentRange {
  readonly from: number;
  readonly count: number;
  readonly segment: "I" | "Q" | "A" | "S";
}

/** How far two annotators agree. */
export interface AnnotatorAgreement {
  readonly annotators: string[];
  readonly cases: number;
  readonly decisionObserved: number;
  readonly decisionKappa: number | null;
  readonly pairs: number;
  readonly choiceObserved: number | null;
  readonly choiceKappa: number | null;
}

export interface RunMaskingRequest {
  /** Row ids; "missing" = every token pair, "clean" = those with delta > 1. */
  readonly tokenPairIds: readonly number[] | "missing" | "clean";
  readonly settings: MaskingOptions;
  readonly idempotencyKey: string | undefined;
}

export interface CollectFailuresRequest extends Omit<CollectInput, "kind" | "modelId" | "benchmarkId"> {
  /** The model's name. */
  readonly model: string;
  /** The benchmark's name, or the path of its file. */
  readonly benchmark: string;
  readonly idempotencyKey: string | undefined;
}

export interface FindTokenPairsRequest
  extends Omit<PairSearchInput, "kind" | "modelId" | "siblingId" | "failureCaseId"> {
  /** The models' names. */
  readonly model: string;
  readonly sibling: string | null;
  readonly idempotencyKey: string | undefined;
}

export interface AddModelSeriesRequest {
  readonly name: string;
  readonly kind: "scaling" | "training";
  readonly members: readonly {
    /** The model's name. */
    readonly model: string;
    readonly label: string | undefined;
    readonly position: number | undefined;
  }[];
}

export interface RunStudyRequest {
  /** The series' name. */
  readonly series: string;
  /** Made of series and rule when left out. */
  readonly name: string | undefined;
  readonly rule: Rule;
  /** Pairs to add; null: those that the study has, and all clean pairs of the members' cases when it is new. */
  readonly pairs: StudyPairs | null;
  readonly idempotencyKey: string | undefined;
}

export interface ExportPreferencesRequest {
  /** Row ids; "missing" = every token pair without such weights, "clean" = those with delta > 1. */
  readonly tokenPairIds: readonly number[] | "missing" | "clean";
  readonly formula: WeightFormula;
  readonly idempotencyKey: string | undefined;
}

/** A worker that runs. */
export interface LiveWorker {
  readonly host: string;
  readonly pid: number;
  readonly adapter: string;
  readonly memoryBytes: number | null;
  /** Names of the models that it holds. */
  readonly models: readonly string[];
  readonly startedAt: Date;
}

/** Work that could be asked for. */
export interface PlanRequest {
  readonly kind: "attribute" | "build_graph" | "mask" | "study";
  /** As in AttributeRequest; undefined for studies. */
  readonly tokenPairIds: readonly number[] | "missing" | "clean" | undefined;
  readonly rule: Rule;
  /** Of graphs: whether edges are split by head. */
  readonly heads: boolean;
  readonly masking: Pick<MaskingOptions, "replacements" | "budget" | "seeds" | "rolloutTokens">;
  /** Of studies: the series' name, and the study's. */
  readonly series: string | undefined;
  readonly name: string | undefined;
}

/** What it would take; docs/planning.md. */
export interface WorkPlan {
  /** Results that are missing: each is a run. */
  readonly runs: number;
  /** Tokens of the longest run. */
  readonly longest: number;
  /** All runs one after another, without loading models. */
  readonly seconds: number;
  /** Of the largest run, its model included. */
  readonly gpuBytes: number;
  readonly hostBytes: number;
  readonly fits: boolean;
  /** One line with the numbers. */
  readonly why: string;
  /** In its driver's words; null where nothing is missing. */
  readonly adapter: string | null;
}

/** What mutations and subscriptions ask of the server. Each throws InputError for what people can mend. */
export interface Services {
  /** Returns the row id of the model. */
  addModel(request: { readonly directory: string; readonly name: string | undefined }): Promise<number>;
  /** Returns the job's id. */
  importFailureCases(request: ImportRequest): Promise<string>;
  /** Returns the job's id. */
  attribute(request: AttributeRequest): Promise<string>;
  /** Returns the job's id. */
  buildGraph(request: BuildGraphRequest): Promise<string>;
  /** Returns the job's id. */
  runMasking(request: RunMaskingRequest): Promise<string>;
  /** Masks tokens that a person chose. Returns the job's id. */
  maskTokens(
    tokenPairId: number,
    positions: readonly number[],
    replacement: MaskingOptions["replacements"][number],
  ): Promise<string>;
  /** What the experiments that fit a condition, all of one budget, say together. */
  summariseMasking(condition: SQL, budget: number, seed: number): Promise<MaskingSummaryRow>;
  /** Returns the row id of the series. */
  addModelSeries(request: AddModelSeriesRequest): Promise<number>;
  /** Returns the job's id. */
  runStudy(request: RunStudyRequest): Promise<string>;
  /** `x` and `y`: labels of two members, the first and the last when left out. */
  summariseStudy(
    studyId: number,
    request: { readonly x: string | undefined; readonly y: string | undefined; readonly seed: number },
  ): Promise<StudySummaryRow>;
  studyPoints(studyId: number, request: StudyPointsRequest): Promise<StudyPointRow[]>;
  /** Returns the job's id. */
  exportPreferences(request: ExportPreferencesRequest): Promise<string>;
  /** What a job of exportPreferences has to export now. */
  describePreferences(jobId: string): Promise<PreferenceExportRow>;
  /** Returns the job's id. */
  diagnose(request: DiagnoseRequest): Promise<string>;
  /** Version of the classifier: of its rules and thresholds. */
  diagnosisVersion(): string;
  labelAgreement(request: LabelAgreementRequest): Promise<LabelAgreementRow[]>;
  /** Returns the annotation's row id. */
  annotateCase(failureCaseId: number, request: AnnotateRequest): Promise<number>;
  annotationAgreement(benchmark: string | undefined): Promise<AnnotatorAgreement[]>;
  annotationPrompt(failureCaseId: number): Promise<string>;
  /** Returns the case's row id. */
  setSegments(failureCaseId: number, ranges: readonly SegmentRange[]): Promise<number>;
  /** How a model's tokens are shown, by its directory. */
  showTokens(
    directory: string,
    ids: readonly number[],
  ): Promise<readonly { readonly text: string; readonly special: boolean }[]>;
  /** Returns the job's id. */
  collectFailures(request: CollectFailuresRequest): Promise<string>;
  /** Returns the job's id. */
  findTokenPairs(request: FindTokenPairsRequest): Promise<string>;
  /** Returns the job's id. Does nothing to a job that has ended. */
  cancelJob(id: string): Promise<string>;
  /** Oldest first. */
  listWorkers(): Promise<LiveWorker[]>;
  /** What work would take; nothing is stored. */
  planWork(request: PlanRequest): Promise<WorkPlan>;
  /** Yields the job's id after each change past `after`, at once if there was one; ends with the job. */
  watchJob(id: string, after: number): AsyncIterable<string>;
}

export interface Context {
  readonly db: Database;
  readonly services: Services;
}
