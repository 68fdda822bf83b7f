/** `culprit graph --objective`: the graph of what is explained when it is no token pair (docs/method.md section 1). */
import { checkGraphRequest, type GraphSettings, InputError, type ModelConfig, type Rule } from "../../gpu/mod.ts";
import { seedOf } from "../attributions/objective.ts";
import {
  describeValue,
  objectiveJson,
  type ObjectiveName,
  readObjective,
  refuseContrast,
} from "./attribute_objective.ts";
import { parseRule } from "./attribution_arguments.ts";
import { graphJson } from "./graph_json.ts";
import { describeGraph } from "./graph_table.ts";
import { readModelInput } from "./input_arguments.ts";
import { optionText, type Verb, type VerbContext } from "./verb.ts";
import { withModel } from "./with_model.ts";

/** Reads what is asked, computes and prints it. */
export async function graphByObjective(
  context: VerbContext,
  verb: Verb,
  named: ObjectiveName,
  settings: GraphSettings,
): Promise<void> {
  for (const option of ["components", "into", "from"]) {
    if (optionText(context, option) === undefined) continue;
    throw new InputError("explains token pairs only", `--${option}`, "leave --objective out");
  }
  if (context.values["metrics"] === true) {
    throw new InputError("measures graphs of token pairs only", "--metrics", "leave --objective out");
  }
  if (named.kind === "sequence") {
    throw new InputError(
      "a graph is of one run of tokens, and two sequences are two",
      "--objective",
      "explain them by attribute --objective sequence, or give logit, top:K or mean",
    );
  }
  refuseContrast(context, named);
  const rule = parseRule(optionText(context, "rule"));
  const texts = [optionText(context, "target")];
  const prefix = optionText(context, "prefix");
  const { model, config, inputIds, tokenizer } = await readModelInput(context, verb, { prefix, texts });
  const objective = readObjective(named, texts, { vocabulary: config.vocabulary, tokenizer });
  if (objective.kind === "sequence") throw new Error("A sequence has no graph");
  await checkGraph(config, { rule, ...settings });
  const result = await withModel(context, model, async (loaded, options) => {
    const seed = await seedOf(loaded, inputIds, objective, options);
    return await loaded.graphOfSeed({ inputIds, seed, rule, ...settings }, options);
  });
  const terms = result.terms.map((term) => ({ ...term, side: "target" as const }));
  const attributed = { ...result, terms, branches: [] };
  if (!context.json) {
    const head = describeValue(objective, attributed, tokenizer);
    return await context.out(describeGraph(head, result, tokenizer, context.colour));
  }
  const { relevance: _, branches: __, ...fields } = objectiveJson(
    objective,
    attributed,
    tokenizer,
    context.values["layers"] === true,
  );
  for (const piece of graphJson(result, fields)) await context.out(piece);
}

/** The engine's own check, before a model is loaded, with its fields under the names of the options. */
export async function checkGraph(config: ModelConfig, request: GraphSettings & { readonly rule: Rule }): Promise<void> {
  try {
    await checkGraphRequest(config, request);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const option = error.where.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new InputError(error.what, `--${option}`, error.mend);
  }
}
