/** `culprit attribute --objective`: what is explained when it is no token pair (docs/method.md section 1). */
import { InputError, type Tokenizer } from "../../gpu/mod.ts";
import { attributeObjective, type Objective, type ObjectiveResult, partingOf } from "../attributions/objective.ts";
import { parseRule } from "./attribution_arguments.ts";
import { describeTokens, signedLogits, tokenName, type TokenNames } from "./attribution_table.ts";
import { severalTokens, singleToken, type TokenReader } from "../models/typed_token.ts";
import { readModelInput } from "./input_arguments.ts";
import { optionText, requiredText, type Verb, type VerbContext, type VerbOption } from "./verb.ts";
import { hang } from "./text_table.ts";
import { withModel } from "./with_model.ts";

export const OBJECTIVE_OPTION: Readonly<Record<string, VerbOption>> = {
  objective: {
    type: "string",
    value: "O",
    help:
      "what is explained: contrast (target against contrast), logit (the target's alone), top:K (against the mean " +
      "of the K largest others), mean (of all), sequence (--target and --contrast of any length)",
    default: "contrast",
  },
};

/** What the option says. */
export type ObjectiveName =
  | { readonly kind: "logit" | "mean" }
  | { readonly kind: "top"; readonly count: number }
  | { readonly kind: "sequence" };

/** Null for the token pair, the default. Throws InputError. */
export function parseObjective(context: VerbContext): ObjectiveName | null {
  const text = optionText(context, "objective") ?? "contrast";
  if (text === "contrast") return null;
  const count = /^top:([1-9]\d{0,5})$/.exec(text)?.[1];
  if (count !== undefined) return { kind: "top", count: Number(count) };
  if (text === "logit" || text === "mean") return { kind: text };
  if (text === "sequence") return { kind: text };
  throw new InputError(
    `there is no objective ${JSON.stringify(text)}`,
    "--objective",
    "give contrast, logit, top:K as top:10, mean or sequence",
  );
}

/** Reads what is asked, computes and prints it. */
export async function attributeByObjective(context: VerbContext, verb: Verb, named: ObjectiveName): Promise<void> {
  for (const option of ["components", "nodes", "into", "from"]) {
    if (optionText(context, option) === undefined) continue;
    throw new InputError("explains token pairs only", `--${option}`, "leave --objective out");
  }
  const rule = parseRule(optionText(context, "rule"));
  const isSequence = named.kind === "sequence";
  if (isSequence) ["target", "contrast"].forEach((option) => requiredText(context, verb, option));
  else refuseContrast(context, named);
  const texts = [optionText(context, "target"), optionText(context, "contrast")];
  const prefix = optionText(context, "prefix");
  const { model, config, inputIds, tokenizer } = await readModelInput(context, verb, { prefix, texts });
  const objective = readObjective(named, texts, { vocabulary: config.vocabulary, tokenizer });
  const result = await withModel(
    context,
    model,
    (loaded, options) => attributeObjective(loaded, { inputIds, objective, rule }, options),
  );
  if (context.json) {
    const layers = context.values["layers"] === true;
    await context.out(`${JSON.stringify(objectiveJson(objective, result, tokenizer, layers))}\n`);
  } else await context.out(describeObjective(objective, result, tokenizer, context.colour));
}

/** Throws InputError for a contrast beside an objective that has none. */
export function refuseContrast(context: VerbContext, { kind }: ObjectiveName): void {
  if (optionText(context, "contrast") === undefined) return;
  throw new InputError(`says nothing with --objective ${kind}`, "--contrast", "leave it out");
}

/** What is explained, with the tokens that were typed. Throws InputError. */
export function readObjective(
  named: ObjectiveName,
  [target, contrast]: readonly (string | undefined)[],
  reader: TokenReader,
): Objective {
  if (named.kind !== "sequence") {
    return { ...named, target: target === undefined ? undefined : singleToken(target, "--target", reader) };
  }
  const sides = {
    target: severalTokens(target!, "--target", reader),
    contrast: severalTokens(contrast!, "--contrast", reader),
  };
  try {
    partingOf(sides);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(error.what, "--contrast", error.mend);
  }
  return { kind: "sequence", ...sides };
}

/** What `attribute --objective --json` prints. */
export function objectiveJson(
  objective: Objective,
  result: ObjectiveResult,
  tokenizer: Tokenizer | null,
  layers: boolean,
) {
  const { rule, inputIds, value, terms, branches, nodeRelevance, adapter, seconds } = result;
  const texts = (ids: readonly number[]) => tokenizer ? ids.map(tokenizer.token) : null;
  const rows = (values: Float32Array, tokens: number) =>
    Array.from({ length: result.layers + 1 }, (_, layer) => [...values.subarray(layer * tokens, (layer + 1) * tokens)]);
  const relevance = (values: Float32Array, tokens: number) => ({
    relevance: [...values.subarray(0, tokens)],
    ...(layers ? { nodeRelevance: rows(values, tokens) } : {}),
  });
  return {
    rule,
    objective,
    value,
    terms,
    inputIds,
    tokens: texts(inputIds),
    ...relevance(nodeRelevance, inputIds.length),
    branches: branches.map(({ side, ids, nodeRelevance: own }) => ({
      side,
      ids,
      tokens: texts(ids),
      ...relevance(own, ids.length),
    })),
    adapter,
    seconds,
  };
}

/** Terms shown on a terminal. */
const SHOWN_TERMS = 12;

/** The value with its terms, and how it was attributed. */
export function describeValue(objective: Objective, result: ObjectiveResult, names: TokenNames): string {
  const { rule, inputIds, value, terms, adapter, seconds } = result;
  const title = objective.kind === "top" ? `against the mean of the ${objective.count} largest others` : {
    logit: "the target's logit alone",
    mean: "against the mean of all logits",
    sequence: "one sequence against the other",
  }[objective.kind];
  const logit = (name: string, amount: number) => `${amount.toFixed(4)} (${name})`;
  const against = ({ contrast, contrastLogit }: (typeof terms)[number]) =>
    contrast === null
      ? ""
      : ` - ${logit(contrast === "mean" ? "mean" : tokenName(names, contrast, 20), contrastLogit)}`;
  const lines = terms.slice(0, SHOWN_TERMS).map((term) =>
    `  ${term.factor < 0 ? "-" : "+"} ${Math.abs(term.factor).toFixed(3)} x [${
      logit(tokenName(names, term.target, 20), term.targetLogit)
    }${against(term)}]\n`
  );
  const rest = terms.length > SHOWN_TERMS ? `  and ${terms.length - SHOWN_TERMS} more terms\n` : "";
  return `value ${value.toFixed(4)}, ${title}\n${lines.join("")}${rest}` +
    `${hang(`${rule}, ${inputIds.length} tokens, ${seconds.toFixed(2)} s on ${adapter}`, 2)}\n`;
}

function describeObjective(
  objective: Objective,
  result: ObjectiveResult,
  names: TokenNames,
  colour: boolean,
): string {
  const own = result.branches.map(({ side, ids, nodeRelevance }) =>
    `\nTokens of the ${side} alone:\n` +
    ids.map((id, at) => `  ${signedLogits(nodeRelevance[at]!).trim()}  ${tokenName(names, id)}\n`).join("")
  );
  return describeValue(objective, result, names) + describeTokens(result, names, colour, "Against it:") + own.join("");
}
