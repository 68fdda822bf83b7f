/** How the tables hang together, for Drizzle's relational queries: a list with its relations is one statement. */
import { defineRelations } from "drizzle-orm";
import * as tables from "./tables.ts";

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
  },
  attributions: {
    tokenPair: r.one.tokenPairs({ from: r.attributions.tokenPairId, to: r.tokenPairs.id, optional: false }),
  },
  jobs: {
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
