/** Where the results of a job are seen. */
import { ASK, caseRoute, CASES, type Route, STUDIES, traceRoute } from "../shell/route.ts";
import type { Job } from "./documents.ts";

const VIEWS: Partial<Record<Job["kind"], "graph" | "masking">> = {
  BUILD_GRAPH: "graph",
  MASK: "masking",
  ABLATE: "masking",
};

/** The address of what a job made; undefined while there is nothing to see. */
export function resultOf(
  job: Pick<Job, "id" | "kind" | "status" | "done" | "failureCaseId" | "tokenPairId" | "benchmark" | "model">,
):
  | Route
  | undefined {
  const { id, kind, status, done, failureCaseId, tokenPairId } = job;
  // A job that was cancelled, or failed in part, has made what it has made.
  if (status !== "COMPLETED" && done === 0) return undefined;
  if (kind === "TRACE" && tokenPairId !== null) return traceRoute(tokenPairId);
  if (failureCaseId !== null) {
    return { ...caseRoute(failureCaseId), pair: tokenPairId ?? "", view: VIEWS[kind] ?? "heat" };
  }
  switch (kind) {
    case "GENERATE":
      return { ...ASK, job: id };
    case "FETCH_MODEL":
      return ASK;
    case "STUDY":
      return STUDIES;
    case "IMPORT":
      return CASES;
    case "COLLECT":
    case "FIND_PAIRS":
      return { ...CASES, benchmark: job.benchmark ?? "", model: job.model ?? "" };
    default:
      return { ...CASES, job: id };
  }
}
