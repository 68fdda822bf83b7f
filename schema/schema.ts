/** The GraphQL schema: every type file adds to the builder, this file builds. */
import "./types/errors.ts";
import "./types/model.ts";
import "./types/failure_case.ts";
import "./types/token_pair.ts";
import "./types/visited_position.ts";
import "./types/attribution.ts";
import "./types/attribute.ts";
import "./types/job.ts";
import "./types/job_again.ts";
import "./types/job_subject.ts";
import "./types/ask.ts";
import "./types/import.ts";
import "./types/fetch_model.ts";
import "./types/collect.ts";
import "./types/pair_search.ts";
import "./types/benchmark.ts";
import "./types/response.ts";
import "./types/annotate.ts";
import "./types/attribution_graph.ts";
import "./types/graph_metrics.ts";
import "./types/provenance.ts";
import "./types/masking_experiment.ts";
import "./types/masking_summary.ts";
import "./types/run_masking.ts";
import "./types/ablation.ts";
import "./types/pair_attributions.ts";
import "./types/diagnosis.ts";
import "./types/objective.ts";
import "./types/trace.ts";
import "./types/causal_marks.ts";
import "./types/label.ts";
import "./types/attribution_counts.ts";
import "./types/model_series.ts";
import "./types/study.ts";
import "./types/preference_export.ts";
import "./types/plan.ts";
import "./types/worker.ts";
import { isObjectType } from "graphql";
import { builder } from "./types/builder.ts";

export const schema = builder.toSchema();

// The plugin that makes `totalCount` has no place for its description.
for (const type of Object.values(schema.getTypeMap())) {
  const field = isObjectType(type) ? type.getFields().totalCount : undefined;
  if (field) field.description = "Items in the whole list; counted only when it is asked for.";
}
