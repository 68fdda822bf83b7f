/** How the tables hang together, for Drizzle's relational queries: a list with its relations is one statement. */
import { defineRelations } from "drizzle-orm";
import * as ablationTables from "./ablation_tables.ts";
import * as analysisTables from "./analysis_tables.ts";
import * as askTables from "./ask_tables.ts";
import * as coreTables from "./tables.ts";
import * as traceTables from "./trace_tables.ts";
import * as workerTables from "./worker_tables.ts";

const tables = { ...coreTables, ...analysisTables, ...askTables, ...traceTables, ...workerTables, ...ablationTables };

export const relations = defineRelations(tables, (r) => ({
  failureCases: {
    model: r.one.models({ from: r.failureCases.modelId, to: r.models.id, optional: false }),
    tokenPairs: r.many.tokenPairs({ from: r.failureCases.id, to: r.tokenPairs.failureCaseId }),
    annotations: r.many.annotations({ from: r.failureCases.id, to: r.annotations.failureCaseId }),
    response: r.one.responses({ from: r.failureCases.responseId, to: r.responses.id }),
  },
  responses: {
    model: r.one.models({ from: r.responses.modelId, to: r.models.id, optional: false }),
    failureCases: r.many.failureCases({ from: r.responses.id, to: r.failureCases.responseId }),
  },
  annotations: {
    failureCase: r.one.failureCases({ from: r.annotations.failureCaseId, to: r.failureCases.id, optional: false }),
  },
  tokenPairs: {
    failureCase: r.one.failureCases({ from: r.tokenPairs.failureCaseId, to: r.failureCases.id, optional: false }),
    attributions: r.many.attributions({ from: r.tokenPairs.id, to: r.attributions.tokenPairId }),
    labels: r.many.labels({ from: r.tokenPairs.id, to: r.labels.tokenPairId }),
    maskingExperiments: r.many.maskingExperiments({ from: r.tokenPairs.id, to: r.maskingExperiments.tokenPairId }),
    causalMarks: r.one.causalMarks({ from: r.tokenPairs.id, to: r.causalMarks.tokenPairId }),
    objectives: r.many.objectiveAttributions({ from: r.tokenPairs.id, to: r.objectiveAttributions.tokenPairId }),
    ablationExperiments: r.many.ablationExperiments({
      from: r.tokenPairs.id,
      to: r.ablationExperiments.tokenPairId,
    }),
    traces: r.many.traces({ from: r.tokenPairs.id, to: r.traces.tokenPairId }),
  },
  attributions: {
    tokenPair: r.one.tokenPairs({ from: r.attributions.tokenPairId, to: r.tokenPairs.id, optional: false }),
    model: r.one.models({ from: r.attributions.modelId, to: r.models.id, optional: false }),
    graphs: r.many.attributionGraphs({ from: r.attributions.id, to: r.attributionGraphs.attributionId }),
    diagnosis: r.one.diagnoses({ from: r.attributions.id, to: r.diagnoses.attributionId }),
  },
  attributionGraphs: {
    attribution: r.one.attributions({
      from: r.attributionGraphs.attributionId,
      to: r.attributions.id,
      optional: false,
    }),
  },
  diagnoses: {
    attribution: r.one.attributions({ from: r.diagnoses.attributionId, to: r.attributions.id, optional: false }),
  },
  labels: {
    tokenPair: r.one.tokenPairs({ from: r.labels.tokenPairId, to: r.tokenPairs.id, optional: false }),
  },
  maskingExperiments: {
    tokenPair: r.one.tokenPairs({ from: r.maskingExperiments.tokenPairId, to: r.tokenPairs.id, optional: false }),
    model: r.one.models({ from: r.maskingExperiments.modelId, to: r.models.id, optional: false }),
  },
  ablationExperiments: {
    tokenPair: r.one.tokenPairs({ from: r.ablationExperiments.tokenPairId, to: r.tokenPairs.id, optional: false }),
    model: r.one.models({ from: r.ablationExperiments.modelId, to: r.models.id, optional: false }),
  },
  objectiveAttributions: {
    tokenPair: r.one.tokenPairs({ from: r.objectiveAttributions.tokenPairId, to: r.tokenPairs.id, optional: false }),
    model: r.one.models({ from: r.objectiveAttributions.modelId, to: r.models.id, optional: false }),
  },
  traces: {
    tokenPair: r.one.tokenPairs({ from: r.traces.tokenPairId, to: r.tokenPairs.id, optional: false }),
    model: r.one.models({ from: r.traces.modelId, to: r.models.id, optional: false }),
  },
  studies: {
    series: r.one.modelSeries({ from: r.studies.seriesId, to: r.modelSeries.id, optional: false }),
    job: r.one.jobs({ from: r.studies.jobId, to: r.jobs.id }),
    tokenPairs: r.many.tokenPairs({
      from: r.studies.id.through(r.studyPairs.studyId),
      to: r.tokenPairs.id.through(r.studyPairs.tokenPairId),
    }),
  },
  preferences: {
    tokenPair: r.one.tokenPairs({ from: r.preferences.tokenPairId, to: r.tokenPairs.id, optional: false }),
    failureCase: r.one.failureCases({ from: r.preferences.failureCaseId, to: r.failureCases.id, optional: false }),
  },
  jobs: {
    generation: r.one.generations({ from: r.jobs.id, to: r.generations.jobId }),
    tasks: r.many.jobTasks({ from: r.jobs.id, to: r.jobTasks.jobId }),
    attributions: r.many.attributions({
      from: r.jobs.id.through(r.jobTasks.jobId),
      to: r.attributions.id.through(r.jobTasks.attributionId),
    }),
  },
  jobTasks: {
    tokenPair: r.one.tokenPairs({ from: r.jobTasks.tokenPairId, to: r.tokenPairs.id, optional: false }),
  },
}));
