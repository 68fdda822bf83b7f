/** `culprit attribute`: which input tokens made the model prefer the target to the contrast. */
import {
  ATTRIBUTION_OPTIONS,
  ATTRIBUTION_USAGE,
  attributionExample,
  readAttributionRequest,
} from "./attribution_arguments.ts";
import { attributionJson } from "./attribution_json.ts";
import { describeAttribution } from "./attribution_table.ts";
import type { Verb, VerbContext } from "./verb.ts";
import { withModel } from "./with_model.ts";

export const verb: Verb = {
  name: "attribute",
  summary: "Shows which input tokens made the model prefer the wrong token to the right one",
  usage: `attribute ${ATTRIBUTION_USAGE} [--json]`,
  example: attributionExample("attribute"),
  options: ATTRIBUTION_OPTIONS,
  run,
};

async function run(context: VerbContext): Promise<void> {
  const { model, request, tokenizer } = await readAttributionRequest(context, verb);
  const result = await withModel(context, model, (loaded, options) => loaded.attribute(request, options));
  const tokens = tokenizer ? request.inputIds.map(tokenizer.token) : null;
  if (context.json) {
    await context.out(`${JSON.stringify(attributionJson(result, tokens, context.values["layers"] === true))}\n`);
  } else {
    await context.out(describeAttribution(result, tokenizer, context.colour));
  }
}
