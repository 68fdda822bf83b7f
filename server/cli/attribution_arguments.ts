/** The arguments of the verbs that start from an attribution: what they are, and how they are read and checked. */
import {
  type AttributionRequest,
  InputError,
  type ModelConfig,
  type Rule,
  RULES,
  type Tokenizer,
} from "../../gpu/mod.ts";
import { INPUT_OPTIONS, INPUT_USAGE, readModelInput } from "./input_arguments.ts";
import { singleToken } from "../models/typed_token.ts";
import { optionText, requiredText, type Verb, type VerbContext, type VerbOption } from "./verb.ts";

/** Options that say what is attributed. */
export const ATTRIBUTION_OPTIONS: Readonly<Record<string, VerbOption>> = {
  ...INPUT_OPTIONS,
  prefix: { type: "string", value: "TEXT", help: "the completion before the error, appended to the input" },
  target: {
    type: "string",
    value: "T",
    help: "the wrong token: an id, or text:5 (default: the model's own next token)",
  },
  contrast: { type: "string", value: "C", help: "the right token: an id, or text:5" },
  rule: { type: "string", value: "RULE", help: `backward rule: ${RULES.join(", ")}`, default: "attnlrp" },
  layers: { type: "boolean", help: "with --json: relevance after each layer too" },
};

/** How the help writes them. */
export const ATTRIBUTION_USAGE = `${INPUT_USAGE} [--prefix TEXT] [--target T] --contrast C [--rule RULE] [--layers]`;

/** A question to the demo model, and a word with which it might have begun. */
export const attributionExample = (verb: string): string =>
  `npx culprit ${verb} --model models/demo-1m --chat "What is 2 + 2?" --contrast "text: the"`;

export interface ReadRequest {
  /** Path of the model. */
  readonly model: string;
  readonly request: AttributionRequest;
  readonly config: ModelConfig;
  /** Null when only ids are used and the directory has no tokenizer. */
  readonly tokenizer: Tokenizer | null;
}

/** Reads and checks all that an attribution needs, before any GPU is touched. Throws InputError. */
export async function readAttributionRequest(context: VerbContext, verb: Verb): Promise<ReadRequest> {
  requiredText(context, verb, "model");
  const contrastText = requiredText(context, verb, "contrast");
  const rule = parseRule(optionText(context, "rule"));
  const targetText = optionText(context, "target");
  const prefix = optionText(context, "prefix");
  const { model, config, inputIds, tokenizer } = await readModelInput(context, verb, {
    prefix,
    texts: [targetText, contrastText],
  });
  const reader = { vocabulary: config.vocabulary, tokenizer };
  const contrast = singleToken(contrastText, "--contrast", reader);
  const target = targetText === undefined ? undefined : singleToken(targetText, "--target", reader);
  if (target === contrast) {
    throw new InputError(
      `target and contrast are the same token ${contrast}`,
      "--contrast",
      "give two different tokens",
    );
  }
  return {
    model,
    request: { inputIds, contrast, rule, ...(target === undefined ? {} : { target }) },
    config,
    tokenizer,
  };
}

export function parseRule(text: string | undefined): Rule {
  const rule = RULES.find((name) => name === text);
  if (rule) return rule;
  throw new InputError(`there is no rule ${JSON.stringify(text)}`, "--rule", `give one of: ${RULES.join(", ")}`);
}
