/** `culprit generate`: what the model writes, greedily, and what else it might have begun with. */
import { type GenerateRequest, type GenerateResult, InputError, type Tokenizer } from "../../gpu/mod.ts";
import { INPUT_OPTIONS, INPUT_USAGE, readModelInput } from "./input_arguments.ts";
import { singleToken } from "../models/typed_token.ts";
import { optionText, type Verb, type VerbContext } from "./verb.ts";
import { withModel } from "./with_model.ts";

export const verb: Verb = {
  name: "generate",
  summary: "Continues a prompt greedily; the first new token can be forced",
  usage: `generate ${INPUT_USAGE} [--force ID] [--max-tokens N] [--top N] [--json]`,
  example: `npx culprit generate --model models/demo-1m --chat "What is 2+2?" --json`,
  options: {
    ...INPUT_OPTIONS,
    force: { type: "string", value: "ID", help: "the first new token: an id, or text:5" },
    "max-tokens": { type: "string", value: "N", help: "new tokens at most", default: "256" },
    top: { type: "string", value: "N", help: "candidates shown for the first new token", default: "10" },
  },
  run,
};

async function run(context: VerbContext): Promise<void> {
  const maxTokens = parseCount(context, "max-tokens", 1);
  const top = parseCount(context, "top", 0);
  const forceText = optionText(context, "force");
  const { model, config, inputIds, tokenizer } = await readModelInput(context, verb, { texts: [forceText] });
  const room = config.maxPositions - inputIds.length;
  if (room < 1) {
    throw new InputError("the input fills the model's context", `culprit ${verb.name}`, "shorten the input");
  }
  const request: GenerateRequest = {
    inputIds,
    maxTokens: Math.min(maxTokens, room),
    top,
    ...(forceText === undefined
      ? {}
      : { force: singleToken(forceText, "--force", { vocabulary: config.vocabulary, tokenizer }) }),
  };
  const [result] = await withModel(context, model, (loaded, options) => loaded.generate([request], options));
  if (!result) throw new Error("the engine gave no completion");
  await context.out(
    context.json ? `${JSON.stringify(generationJson(result, tokenizer))}\n` : describe(result, tokenizer),
  );
}

function parseCount(context: VerbContext, name: string, least: number): number {
  const text = optionText(context, name) ?? "";
  if (/^\d+$/.test(text) && Number(text) >= least) return Number(text);
  throw new InputError(`${JSON.stringify(text)} is no count`, `--${name}`, `give a whole number from ${least} on`);
}

/** As printed with --json; texts are null without a tokenizer. */
function generationJson({ ids, stop, first }: GenerateResult, tokenizer: Tokenizer | null) {
  return {
    ids,
    text: tokenizer?.decode(ids, { continues: true }) ?? null,
    stop,
    first: first.map(({ id, logit }) => ({ id, text: tokenizer?.token(id) ?? null, logit })),
  };
}

function describe(result: GenerateResult, tokenizer: Tokenizer | null): string {
  const { text, stop, first } = generationJson(result, tokenizer);
  const candidates = first.map((candidate, rank) =>
    `  ${String(rank).padStart(3)}  ${candidate.logit.toFixed(3).padStart(9)}  ` +
    `${candidate.text === null ? "" : JSON.stringify(candidate.text)} (id ${candidate.id})\n`
  );
  const end = stop === "eos" ? "ended by itself" : "stopped at the limit";
  return `${text ?? JSON.stringify(result.ids)}\n\n${result.ids.length} tokens, ${end}\n` +
    (candidates.length > 0 ? `\nrank      logit  first new token\n${candidates.join("")}` : "");
}
