/** `culprit attribute`: which input tokens made the model prefer the target to the contrast. */
import { type AttributionRequest, checkNodes, InputError, type ModelConfig, type NodePlace } from "../../gpu/mod.ts";
import {
  ATTRIBUTION_OPTIONS,
  ATTRIBUTION_USAGE,
  attributionExample,
  readAttributionRequest,
} from "./attribution_arguments.ts";
import { attributionJson } from "./attribution_json.ts";
import { describeAttribution } from "./attribution_table.ts";
import {
  COMPONENT_OPTIONS,
  componentsJson,
  describeComponents,
  parseNodes,
  readComponents,
  runComponents,
} from "./component_arguments.ts";
import { attributeByObjective, OBJECTIVE_OPTION, parseObjective } from "./attribute_objective.ts";
import { optionText, type Verb, type VerbContext } from "./verb.ts";
import { withModel } from "./with_model.ts";

export const verb: Verb = {
  name: "attribute",
  summary: "Shows which input tokens made the model prefer the wrong token to the right one",
  usage:
    `attribute ${ATTRIBUTION_USAGE} [--objective O] [--components K [--nodes NODES]] [--into TARGETS [--from LAYERS]] ` +
    "[--open] [--json]",
  example: attributionExample("attribute"),
  options: {
    ...ATTRIBUTION_OPTIONS,
    ...OBJECTIVE_OPTION,
    ...COMPONENT_OPTIONS,
    nodes: {
      type: "string",
      value: "NODES",
      help: "nodes of --components, as 3:12,4:12 (layer:token; default: the last token of every layer)",
    },
    open: {
      type: "boolean",
      help: "opens the result in the page: of the server at PORT, or of one that is started until Ctrl-C",
    },
  },
  run,
};

async function run(context: VerbContext): Promise<void> {
  const page = context.values["open"] === true ? await import("./open_page.ts") : undefined;
  page?.checkCanOpen(context);
  const objective = parseObjective(context);
  if (objective) return await attributeByObjective(context, verb, objective);
  const { model, request, config, tokenizer } = await readAttributionRequest(context, verb);
  const wanted = await readComponents(context, config, request);
  const nodesText = optionText(context, "nodes");
  const places = nodesText === undefined ? undefined : parseNodes(nodesText, "--nodes");
  if (places && wanted.top === undefined) {
    throw new InputError("says nothing without --components", "--nodes", "give --components K too");
  }
  if (places) await checkPlaces(config, request, places);
  const { result, nodes, edges } = await withModel(context, model, async (loaded, options) => {
    const result = await loaded.attribute(request, options);
    return { result, ...await runComponents(loaded, request, wanted, places, options) };
  });
  const tokens = tokenizer ? request.inputIds.map(tokenizer.token) : null;
  if (context.json) {
    const json = attributionJson(result, tokens, context.values["layers"] === true);
    await context.out(`${JSON.stringify({ ...json, ...componentsJson(nodes, edges) })}\n`);
  } else {
    await context.out(describeAttribution(result, tokenizer, context.colour));
    await context.out(describeComponents(nodes, edges, request.inputIds, tokenizer, context.colour));
  }
  await page?.openInPage(context, result);
}

/** The engine's own check, before a model is loaded. */
async function checkPlaces(
  config: ModelConfig,
  request: AttributionRequest,
  nodes: readonly NodePlace[],
): Promise<void> {
  try {
    await checkNodes(config, { ...request, nodes });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(error.what, "--nodes", error.mend);
  }
}
