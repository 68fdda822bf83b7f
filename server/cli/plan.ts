/** `culprit plan attribute`, `culprit plan graph` and `culprit plan trace`: what a run would take. Nothing is attributed. */
import type { PlannedRun, RunPlan } from "../../gpu/mod.ts";
import {
  ATTRIBUTION_OPTIONS,
  ATTRIBUTION_USAGE,
  attributionExample,
  readAttributionRequest,
} from "./attribution_arguments.ts";
import { GRAPH_OPTIONS, GRAPH_USAGE, readGraphRequest } from "./graph.ts";
import { readTracePlan, TRACE_OPTIONS, TRACE_USAGE, traceExample } from "./trace.ts";
import type { Verb, VerbContext } from "./verb.ts";
import { hang } from "./text_table.ts";

export const planAttribute: Verb = {
  name: "plan attribute",
  summary: "Predicts memory and time of an attribution, and whether it fits",
  usage: `plan attribute ${ATTRIBUTION_USAGE} [--json]`,
  example: attributionExample("plan attribute"),
  options: ATTRIBUTION_OPTIONS,
  async run(context) {
    const { model, request } = await readAttributionRequest(context, planAttribute);
    await plan(context, model, { kind: "attribute", requests: [request] });
  },
};

export const planGraph: Verb = {
  name: "plan graph",
  summary: "Predicts memory and time of a graph, and whether it fits",
  usage: `plan graph ${GRAPH_USAGE} [--json]`,
  example: attributionExample("plan graph"),
  options: GRAPH_OPTIONS,
  async run(context) {
    const { model, request } = await readGraphRequest(context, planGraph);
    await plan(context, model, { kind: "graph", request });
  },
};

export const planTrace: Verb = {
  name: "plan trace",
  summary: "Predicts memory and time of a trace, and whether it fits",
  usage: `plan trace ${TRACE_USAGE} [--json]`,
  example: traceExample("plan trace"),
  options: TRACE_OPTIONS,
  async run(context) {
    const { model, requests } = await readTracePlan(context, planTrace);
    await plan(context, model, { kind: "attribute", requests });
  },
};

async function plan(context: VerbContext, model: string, run: PlannedRun): Promise<void> {
  const engine = await context.openEngine();
  try {
    const found = await engine.plan(model, run);
    await context.out(context.json ? `${JSON.stringify(found)}\n` : describePlan(found));
  } finally {
    engine.close();
  }
}

/** A plan as people read it. */
export function describePlan({ gpuBytes, hostBytes, seconds, fits, why }: RunPlan): string {
  const megabytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1).padStart(10)} MiB`;
  return `device ${megabytes(gpuBytes)}\nbeside ${megabytes(hostBytes)}  (resident memory of the process)\n` +
    `time   ${String(seconds).padStart(10)} s    (without loading the model)\n${
      hang(`${fits ? "fits" : "does not fit"}: ${why}`, 2)
    }\n`;
}
