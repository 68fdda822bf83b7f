/** The GraphQL schema: every type file adds to the builder, this file builds. */
import "./errors.ts";
import "./model.ts";
import "./failure_case.ts";
import "./token_pair.ts";
import "./visited_position.ts";
import "./attribution.ts";
import "./job.ts";
import "./job_again.ts";
import "./import.ts";
import "./collect.ts";
import "./find_pairs.ts";
import "./benchmark.ts";
import "./response.ts";
import "./annotate.ts";
import "./attribution_graph.ts";
import "./graph_metrics.ts";
import "./provenance.ts";
import "./masking_experiment.ts";
import "./pair_attributions.ts";
import "./diagnosis.ts";
import "./label.ts";
import "./attribution_counts.ts";
import "./model_series.ts";
import "./study.ts";
import "./preference_export.ts";
import "./plan.ts";
import "./worker.ts";
import { isObjectType } from "graphql";
import { builder } from "./builder.ts";

export const schema = builder.toSchema();

// The plugin that makes `totalCount` has no place for its description.
for (const type of Object.values(schema.getTypeMap())) {
  const field = isObjectType(type) ? type.getFields().totalCount : undefined;
  if (field) field.description = "Items in the whole list; counted only when it is asked for.";
}
