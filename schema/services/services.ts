/** What resolvers are given: the database, and the services that only the server can perform. */
import type { SQL } from "drizzle-orm";
import type { MaskingOptions } from "../tables/analysis_values.ts";
import type { Database } from "../tables/database.ts";
import type { AblationSummaryRow, RunAblationRequest } from "./ablations.ts";
import type { AnnotateRequest, AnnotatorAgreement, SegmentRange } from "./annotations.ts";
import type { AskServices } from "./asks.ts";
import type { AttributeRequest, BuildGraphRequest, ExplainObjectiveRequest } from "./attributions.ts";
import type { DiagnoseRequest, LabelAgreementRequest, LabelAgreementRow } from "./diagnoses.ts";
import type { MarkRequest } from "./marks.ts";
import type { ImportRequest } from "./imports.ts";
import type { MaskingSummaryRow, RunMaskingRequest } from "./masking.ts";
import type { PlanRequest, WorkPlan } from "./plans.ts";
import type { ExportPreferencesRequest, PreferenceExportRow } from "./preferences.ts";
import type { CollectFailuresRequest, FindTokenPairsRequest } from "./searches.ts";
import type {
  AddModelSeriesRequest,
  RunStudyRequest,
  StudyMovementRow,
  StudyPointRow,
  StudyPointsRequest,
  StudySummaryRow,
} from "./studies.ts";
import type { TraceRequest } from "./traces.ts";
import type { LiveWorker } from "./workers.ts";

/** What mutations and subscriptions ask of the server. Each throws InputError for what people can mend. */
export interface Services extends AskServices {
  /** Returns the row id of the model. */
  addModel(request: {
    readonly directory: string;
    readonly adapters?: readonly string[];
    /** Whether it may be fetched; default: yes. */
    readonly fetch?: boolean;
    readonly name: string | undefined;
  }): Promise<number>;
  /** Where a model's files are, and where they come from. */
  modelPlace(model: {
    readonly name: string;
    readonly directory: string;
    readonly hash: string;
  }): Promise<{ readonly isHere: boolean; readonly hub: string | null }>;
  /** Fetches a hub's model and adds it. Returns the job's id. */
  fetchModel(request: {
    readonly model: string;
    readonly name: string | undefined;
    readonly idempotencyKey: string | undefined;
  }): Promise<string>;
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
    rolloutTokens: number,
  ): Promise<string>;
  /** What the experiments that fit a condition, all of one budget, say together. */
  summariseMasking(condition: SQL, budget: number, seed: number): Promise<MaskingSummaryRow>;
  /** Returns the job's id. */
  runAblation(request: RunAblationRequest): Promise<string>;
  /** What the experiments that fit a condition say together, of each unit those with the counts that most have. */
  summariseAblations(condition: SQL, seed: number): Promise<AblationSummaryRow>;
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
  /** `from`: label of the member that the others are compared with, the first when left out. */
  studyMovements(
    studyId: number,
    request: { readonly from: string | undefined; readonly seed: number },
  ): Promise<StudyMovementRow[]>;
  /** Returns the job's id. */
  exportPreferences(request: ExportPreferencesRequest): Promise<string>;
  /** What a job of exportPreferences has to export now. */
  describePreferences(jobId: string): Promise<PreferenceExportRow>;
  /** Returns the job's id. */
  explainObjective(request: ExplainObjectiveRequest): Promise<string>;
  /** Returns the job's id. */
  trace(request: TraceRequest): Promise<string>;
  /** Returns the job's id. */
  diagnose(request: DiagnoseRequest): Promise<string>;
  /** Stores a job that finds where prompts state what their answers have to keep to; returns its id. */
  markInstructions(request: MarkRequest): Promise<string>;
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
