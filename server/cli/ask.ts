/**
 * `culprit ask`: what the model responds, what else it could have said at every token, and why it did not. On a terminal a
 * person chooses token and alternative; elsewhere `--at` and `--contrast` do.
 */
import {
  type AttributionResult,
  InputError,
  type LoadedModel,
  type ModelConfig,
  type RunOptions,
  type Tokenizer,
} from "../../gpu/mod.ts";
import { type Exploration, explore, type ExploredToken } from "../ask/explore.ts";
import { answerAfter, openThinking, splitCompletion } from "../models/thinking.ts";
import { firstToken } from "../models/typed_token.ts";
import { attributionJson } from "./attribution_json.ts";
import { parseRule } from "./attribution_arguments.ts";
import { describeAttribution, tokenName } from "./attribution_table.ts";
import { INPUT_OPTIONS, type ModelInput, readModelInput } from "./input_arguments.ts";
import { type Line, readLines } from "./lines.ts";
import { optionText, type Verb, type VerbContext } from "./verb.ts";
import { optionCount } from "./model_session.ts";
import { withModel } from "./with_model.ts";

const { ids: _ids, ...TEXT_OPTIONS } = INPUT_OPTIONS;

export const verb: Verb = {
  name: "ask",
  summary: "Responds to a prompt, shows what else could have been said at each token, and why it was not",
  usage: "ask --model MODEL (--prompt TEXT | --chat TEXT) [--prefix TEXT] [--max-tokens N] [--thinking N] " +
    "[--alternatives N] " +
    "[--at POSITION --contrast T [--rule RULE]] [--json]",
  example: `npx culprit ask --model models/demo-1m --chat "What is 2 + 2?" --at 0 --contrast "text:4"`,
  options: {
    ...TEXT_OPTIONS,
    prefix: { type: "string", value: "TEXT", help: "how the response begins" },
    "max-tokens": { type: "string", value: "N", help: "tokens of the response at most", default: "256" },
    thinking: {
      type: "string",
      value: "N",
      help: "with --chat: lets the model think before it responds, in N tokens at most; off if left out",
    },
    alternatives: { type: "string", value: "N", help: "other tokens at each token of the response", default: "10" },
    at: { type: "string", value: "POSITION", help: "the token to explain, counted from the response's first, 0" },
    contrast: { type: "string", value: "T", help: "what should have stood there: an id, or text:5" },
    rule: { type: "string", value: "RULE", help: "backward rule: attnlrp, cplrp or gradient", default: "attnlrp" },
  },
  run,
};

async function run(context: VerbContext): Promise<void> {
  const maxTokens = optionCount(context, "max-tokens")!;
  const alternatives = optionCount(context, "alternatives")!;
  const rule = parseRule(optionText(context, "rule"));
  const at = optionCount(context, "at", 0);
  const contrastText = optionText(context, "contrast");
  if ((at === undefined) !== (contrastText === undefined)) {
    const [given, missing] = at === undefined ? ["--contrast", "--at"] : ["--at", "--contrast"];
    throw new InputError(`says nothing without ${missing}`, given, `give ${missing} too`);
  }
  const prefix = optionText(context, "prefix");
  const budget = optionCount(context, "thinking");
  const input = await readModelInput(context, verb, { prefix, texts: [], thinking: budget !== undefined });
  const { model, config, inputIds } = input;
  const names = input.tokenizer!;
  const room = config.maxPositions - inputIds.length;
  if (room < 1) {
    throw new InputError("the input fills the model's context", `culprit ${verb.name}`, "shorten the input");
  }
  const contrast = contrastText === undefined ? undefined : readContrast(context, contrastText, config, names);
  await withModel(context, model, async (loaded, options) => {
    const asked = budget === undefined
      ? { maxTokens: Math.min(maxTokens, room) }
      : thinkingAnswer(input, { budget, answerTokens: maxTokens, room });
    const request = { inputIds, ...asked, alternatives };
    const response = await explore(loaded, request, options);
    const explain = (token: ExploredToken, id: number) =>
      explainToken(loaded, { inputIds, response, token, id, rule }, options);
    const explained = at === undefined ? undefined : await explain(tokenAt(response, at, "--at"), contrast!);
    if (context.json) {
      await context.out(`${JSON.stringify(askJson(inputIds, response, explained, names))}\n`);
    } else {
      await context.out(describeResponse(response, names));
      if (explained) await context.out(`\n${describeAttribution(explained, names, context.colour)}`);
      else if (context.interactive) await converse(context, response, config, names, explain);
      else if (response.tokens.length > 0) {
        context.note("explain one with --at POSITION --contrast T, T an id or text:TOKEN\n");
      }
    }
  });
}

function thinkingAnswer(
  { model, config: { architecture }, inputIds, promptTokens, tokenizer }: ModelInput,
  { budget, ...place }: { readonly budget: number; readonly answerTokens: number; readonly room: number },
) {
  const thinking = openThinking(tokenizer!, { model, architecture, budget, where: "--thinking" });
  const promptIds = inputIds.slice(0, promptTokens);
  return answerAfter(thinking, { promptIds, before: inputIds.slice(promptTokens), ...place });
}

/** Why the model said the token of a response and not another one. */
async function explainToken(
  model: LoadedModel,
  { inputIds, response, token, id, rule }: {
    readonly inputIds: readonly number[];
    readonly response: Exploration;
    readonly token: ExploredToken;
    readonly id: number;
    readonly rule: AttributionResult["rule"];
  },
  options: RunOptions,
): Promise<AttributionResult> {
  if (token.id === id) {
    throw new InputError(
      `the response has this very token at position ${token.position}`,
      "--contrast",
      "name what should have stood there instead",
    );
  }
  const before = response.tokens.slice(0, token.position).map((one) => one.id);
  return await model.attribute({ inputIds: [...inputIds, ...before], target: token.id, contrast: id, rule }, options);
}

function tokenAt({ tokens }: Exploration, position: number, where: string): ExploredToken {
  const token = tokens[position];
  if (token) return token;
  const mend = tokens.length === 0 ? "ask something else" : `give a position from 0 to ${tokens.length - 1}`;
  throw new InputError(`the response has ${tokens.length} tokens, none at position ${position}`, where, mend);
}

/** An id from digits, or the first token of a text; says when that text is more than one. */
function readContrast(
  context: VerbContext,
  text: string,
  { vocabulary }: ModelConfig,
  tokenizer: Tokenizer,
): number {
  const { id, others } = firstToken(text, "--contrast", { vocabulary, tokenizer });
  if (others > 0) {
    context.note(
      `${JSON.stringify(text)} is ${others + 1} tokens: its first one, ${tokenName(tokenizer, id)}, is explained\n`,
    );
  }
  return id;
}

/** As printed with --json. */
function askJson(
  inputIds: readonly number[],
  response: Exploration,
  explained: AttributionResult | undefined,
  tokenizer: Tokenizer,
) {
  return {
    prompt: tokenizer.decode(inputIds),
    text: tokenizer.decode(response.tokens.map(({ id }) => id), { continues: true }),
    ...thoughtJson(response, tokenizer),
    stop: response.stop,
    tokens: response.tokens.map(({ position, id, logit, alternatives }) => ({
      position,
      id,
      text: tokenizer.token(id),
      logit,
      alternatives: alternatives.map(({ rank, id, logit }) => ({ rank, id, text: tokenizer.token(id), logit })),
    })),
    ...explanationJson(explained, tokenizer),
  };
}

/** The thought and the answer after it, where the model was to think. */
function thoughtJson({ tokens, thought }: Exploration, tokenizer: Tokenizer) {
  if (!thought) return {};
  const { thought: text, answer } = splitCompletion(tokenizer, tokens.map(({ id }) => id), thought);
  return { thought: { text, ...thought }, answer };
}

/** The fields of `attribute`. Its `tokens`, texts of the input, are `inputTokens` here: `tokens` are the response's. */
function explanationJson(explained: AttributionResult | undefined, tokenizer: Tokenizer) {
  if (!explained) return {};
  const { tokens, ...fields } = attributionJson(explained, explained.inputIds.map(tokenizer.token), false);
  return { ...fields, inputTokens: tokens };
}

function describeResponse({ tokens, stop, thought }: Exploration, tokenizer: Tokenizer): string {
  const rows = tokens.map(({ position, id, logit, alternatives }) => {
    const [rival] = alternatives;
    const shown = rival ? `${(logit - rival.logit).toFixed(3).padStart(9)}  ${tokenName(tokenizer, rival.id, 20)}` : "";
    return `${String(position).padStart(8)}  ${tokenName(tokenizer, id, 24).padEnd(32)}${shown}\n`;
  });
  const end = stop === "eos" ? "ended by itself" : "stopped at the limit";
  const text = tokenizer.decode(tokens.map(({ id }) => id), { continues: true });
  const thinking = thought === undefined
    ? ""
    : thought.tokens === 0
    ? ", without a thought"
    : `, the first ${thought.tokens} a thought${
      thought.inserted === 0 ? "" : `, which was closed by its last ${thought.inserted} when its budget was used up`
    }`;
  return `${text}\n\n${tokens.length} tokens${thinking}, ${end}\n` +
    (rows.length > 0
      ? `\nposition  token                               ahead of its best rival\n${rows.join("")}`
      : "");
}

/** Lets a person choose tokens and alternatives until the line is empty or ends. */
async function converse(
  context: VerbContext,
  response: Exploration,
  config: ModelConfig,
  tokenizer: Tokenizer,
  explain: (token: ExploredToken, contrast: number) => Promise<AttributionResult>,
): Promise<void> {
  const lines = readLines(context.stdin, "standard input", context.signal);
  const next = async (question: string): Promise<string | undefined> => {
    context.note(question);
    const { value, done } = await lines.next() as IteratorResult<Line, void>;
    return done || value.text.trim() === "" ? undefined : value.text.trim();
  };
  for (;;) {
    const place = await next("\nExplain which position? (Enter ends) ");
    if (place === undefined) return;
    try {
      if (!/^\d+$/.test(place)) {
        throw new InputError(`${JSON.stringify(place)} is no position`, "position", "give a number");
      }
      const token = tokenAt(response, Number(place), "position");
      await context.out(describeAlternatives(token, tokenizer));
      const choice = await next("Rather which? (a rank of the list, id:N, or text:TOKEN) ");
      if (choice === undefined) return;
      const ranked = token.alternatives.find(({ rank }) => String(rank) === choice);
      const contrast = ranked?.id ?? readContrast(context, choice.replace(/^id:/, ""), config, tokenizer);
      await context.out(`\n${describeAttribution(await explain(token, contrast), tokenizer, context.colour)}`);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      context.note(`${error.message}\n`);
    }
  }
}

const percent = ({ logProbability }: { readonly logProbability: number }): string =>
  `${(100 * Math.exp(logProbability)).toFixed(2).padStart(6)} %`;

function describeAlternatives(
  { position, id, logit, logProbability, alternatives }: ExploredToken,
  tokenizer: Tokenizer,
): string {
  const rows = alternatives.map((other) =>
    `${String(other.rank).padStart(6)}  ${other.logit.toFixed(3).padStart(9)}  ${percent(other)}  ${
      tokenName(tokenizer, other.id, 40)
    }\n`
  );
  return `position ${position}: ${tokenName(tokenizer, id, 40)}, logit ${logit.toFixed(3)}, ${
    percent({ logProbability }).trim()
  }\n  rank      logit  probable  instead\n${rows.join("")}`;
}
