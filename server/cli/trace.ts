/** `culprit trace`: which steps of a completion carried the error, and which words of the prompt carried those. */
import { readFile, writeFile } from "node:fs/promises";
import {
  InputError,
  type LoadedModel,
  loadTokenizer,
  type ModelConfig,
  type RunOptions,
  type SeedRequest,
  type Tokenizer,
} from "../../gpu/mod.ts";
import { lostAt, MOST_ROLLOUTS, type StoredReach } from "../../schema/tables/trace_values.ts";
import { singleToken } from "../models/typed_token.ts";
import { cutCompletion } from "../traces/cut_steps.ts";
import { plannedSeeds, traceCompletion, type TraceEnd, type TraceRequest, type TraceResult } from "../traces/trace.ts";
import type { TraceDocument } from "../traces/trace_json.ts";
import type { TracedCase } from "../traces/traced_case.ts";
import { parseRule } from "./attribution_arguments.ts";
import { INPUT_OPTIONS, INPUT_USAGE, readModelInput } from "./input_arguments.ts";
import { MODEL_OPTION } from "./locate.ts";
import { optionCount, refusePositionals } from "./model_session.ts";
import { describeTrace } from "./trace_table.ts";
import { optionText, requiredText, type Verb, type VerbContext, type VerbOption } from "./verb.ts";
import { withModel } from "./with_model.ts";

/** Options that say what is traced. */
export const TRACE_OPTIONS: Readonly<Record<string, VerbOption>> = {
  ...INPUT_OPTIONS,
  model: { ...MODEL_OPTION, help: `${MODEL_OPTION.help}; with --case the name of one that was added, if need be` },
  case: { type: "string", value: "KEY", help: "a stored failure with its token pair, in place of all of the input" },
  completion: {
    type: "string",
    value: "TEXT|FILE",
    help: "what the model wrote: a text, or a file of text or of a JSON array of token ids",
  },
  at: {
    type: "string",
    value: "POSITION",
    help: "the wrong token, counted from the completion's first, 0: what follows it is left out",
  },
  target: { type: "string", value: "T", help: "the wrong token behind the completion: an id, or text:5" },
  contrast: {
    type: "string",
    value: "C",
    help: "the right token: an id, or text:5 (default: the best other one); without --at, --target and --contrast " +
      "the last step is explained",
  },
  boundaries: {
    type: "string",
    value: "LIST",
    help: "where steps begin, as 0,12,31, counted from the completion's first token (default: as the text says)",
  },
  rule: { type: "string", value: "RULE", help: "backward rule: attnlrp, cplrp or gradient", default: "attnlrp" },
};

/** How the help writes them. */
export const TRACE_USAGE =
  `(${INPUT_USAGE} --completion TEXT|FILE [--at POSITION | --target T] [--contrast C] | --case KEY [--model NAME]) ` +
  "[--boundaries LIST] [--rule RULE]";

export const traceExample = (verb: string): string =>
  `npx culprit ${verb} --model models/demo-1m --chat "What is 2 + 2?" --completion "2 and 2. So it is 5" --at 10`;

export const verb: Verb = {
  name: "trace",
  summary: "Shows which steps of a completion carried the error, and which words of the prompt carried them",
  usage: `trace ${TRACE_USAGE} [--rollouts N] [--svg FILE] [--json]`,
  example: traceExample("trace"),
  options: {
    ...TRACE_OPTIONS,
    rollouts: {
      type: "string",
      value: "N",
      help: "with --case, whose answers can be checked: continuations tried at the prompt's and each step's end, " +
        `${MOST_ROLLOUTS} at most; 0: none`,
      default: "0",
    },
    svg: { type: "string", value: "FILE", help: "writes the steps and what they rest on as a picture" },
  },
  run,
};

interface ReadTrace {
  /** Path of the model. */
  readonly model: string;
  readonly request: TraceRequest;
  readonly promptTokens: number;
  readonly tokenizer: Tokenizer;
  /** Null for what was typed. */
  readonly stored: TracedCase | null;
}

/** Reads and checks all that a trace needs, before any GPU is touched. Throws InputError. */
async function readTrace(context: VerbContext, verb: Verb): Promise<ReadTrace> {
  const key = optionText(context, "case");
  return key === undefined ? await readTyped(context, verb) : await readStored(context, verb, key);
}

/** A stored failure, with its own model. */
async function readStored(context: VerbContext, verb: Verb, key: string): Promise<ReadTrace> {
  const rule = parseRule(optionText(context, "rule"));
  refusePositionals(context, verb.name);
  const brought = ["prompt", "chat", "ids", "completion", "at", "target", "contrast"];
  const other = brought.find((name) => optionText(context, name) !== undefined);
  if (other !== undefined) {
    throw new InputError("has no place beside --case, which brings all tokens", `--${other}`, "leave one of them out");
  }
  const [{ withDatabase }, { tracedCase }] = await Promise.all([
    import("./with_database.ts"),
    import("../traces/traced_case.ts"),
  ]);
  const stored = await withDatabase(({ db }) => tracedCase(db, key, optionText(context, "model") ?? null));
  const { row: { inputIds, promptTokens: before }, model: { directory }, target, contrast } = stored;
  const tokenizer = await loadTokenizer(directory);
  const boundaries = readBoundaries(optionText(context, "boundaries"), before, inputIds.length);
  const { promptTokens, ...cut } = cutCompletion(tokenizer, inputIds, before, boundaries);
  const end = { kind: "pair", target, contrast } as const;
  return { model: directory, promptTokens, tokenizer, stored, request: { inputIds, rule, end, ...cut } };
}

async function readTyped(context: VerbContext, verb: Verb): Promise<ReadTrace> {
  const rule = parseRule(optionText(context, "rule"));
  const written = requiredText(context, verb, "completion");
  const at = optionCount(context, "at", 0);
  const typed = { target: optionText(context, "target"), contrast: optionText(context, "contrast") };
  if (at !== undefined && typed.target !== undefined) {
    throw new InputError("names the wrong token that --at points at", "--target", "give one of the two");
  }
  // Steps are cut by their text, whatever the input is given by.
  const read = await readModelInput(context, verb, { texts: ["text:"] });
  const { model, config, inputIds: promptIds } = read;
  const tokenizer = read.tokenizer!;
  const completion = await readCompletion(written, tokenizer);
  if (at !== undefined && at >= completion.length) {
    throw new InputError(
      `the completion has ${completion.length} tokens, none at position ${at}`,
      "--at",
      completion.length === 0 ? "give a completion" : `give a position from 0 to ${completion.length - 1}`,
    );
  }
  const inputIds = [...promptIds, ...completion.slice(0, at)];
  checkTokens(inputIds, config);
  const reader = { vocabulary: config.vocabulary, tokenizer };
  const token = (name: "target" | "contrast") =>
    typed[name] === undefined ? undefined : singleToken(typed[name], `--${name}`, reader);
  const target = at === undefined ? token("target") : completion[at];
  const contrast = token("contrast");
  if (target !== undefined && target === contrast) {
    throw new InputError(`target and contrast are the same token ${target}`, "--contrast", "give another token");
  }
  const end: TraceEnd = at === undefined && target === undefined && contrast === undefined
    ? { kind: "step" }
    : { kind: "pair", target, contrast };
  const { promptTokens, ...cut } = cutCompletion(
    tokenizer,
    inputIds,
    promptIds.length,
    readBoundaries(optionText(context, "boundaries"), promptIds.length, inputIds.length),
  );
  return { model, promptTokens, tokenizer, stored: null, request: { inputIds, rule, end, ...cut } };
}

async function readCompletion(written: string, tokenizer: Tokenizer): Promise<readonly number[]> {
  // What names no file is the text itself.
  const text = await readFile(written, "utf8").catch(() => written);
  const ids = text === written ? undefined : idsOf(text);
  const found = ids ?? tokenizer.encode(text.replace(/\n$/, ""), { continues: true });
  if (found.length > 0) return found;
  throw new InputError("the completion has no tokens", "--completion", "give what the model wrote");
}

/** Ids of a file's JSON array; undefined for any other text. */
function idsOf(text: string): readonly number[] | undefined {
  try {
    const json: unknown = JSON.parse(text);
    return Array.isArray(json) && json.every(Number.isInteger) ? json as number[] : undefined;
  } catch {
    return undefined;
  }
}

function checkTokens(ids: readonly number[], { maxPositions, vocabulary }: ModelConfig): void {
  if (ids.length > maxPositions) {
    throw new InputError(
      `prompt and completion have ${ids.length} tokens, more than the model's context of ${maxPositions}`,
      "--completion",
      "shorten it",
    );
  }
  const wrong = ids.find((id) => id < 0 || id >= vocabulary);
  if (wrong === undefined) return;
  throw new InputError(`token id ${wrong} is out of range`, "--completion", `use ids from 0 to ${vocabulary - 1}`);
}

/** Positions counted from the prompt's first token. */
function readBoundaries(text: string | undefined, promptTokens: number, tokens: number): readonly number[] | null {
  if (text === undefined) return null;
  const listed = text.split(",").map((part) => part.trim());
  const most = tokens - promptTokens - 1;
  const wrong = listed.find((part, index) =>
    !/^\d+$/.test(part) || Number(part) > most || (index > 0 && Number(part) <= Number(listed[index - 1]))
  );
  if (wrong === undefined) return listed.map((part) => promptTokens + Number(part));
  throw new InputError(
    `${JSON.stringify(wrong)} is no place for a step to begin`,
    "--boundaries",
    `give ascending positions from 0 to ${most} with commas between them`,
  );
}

async function run(context: VerbContext): Promise<void> {
  const rollouts = optionCount(context, "rollouts", 0)!;
  checkRollouts(rollouts);
  const read = await readTrace(context, verb);
  const { model, request } = read;
  if (rollouts > 0) checkCheckable(read);
  const { result, reach } = await withModel(context, model, async (loaded, options) => ({
    result: await traceCompletion(loaded, request, options),
    reach: rollouts === 0 ? null : await storedReach(loaded, read, rollouts, options),
  }));
  const document = documentOf(read, result, reach);
  const svg = optionText(context, "svg");
  if (svg !== undefined) {
    const { traceSvg } = await import("../traces/trace_picture.ts");
    await writeFile(svg, traceSvg(document)).catch((error: { code?: string }) => {
      throw new InputError(`cannot be written (${error.code})`, svg, "give a path in a folder that is there");
    });
    context.note(`wrote ${svg}\n`);
  }
  await context.out(
    context.json ? `${JSON.stringify(document)}\n` : describeTrace(document, read.tokenizer, context.colour),
  );
}

/** Throws InputError for more than a trace may have. */
export function checkRollouts(rollouts: number): void {
  if (rollouts <= MOST_ROLLOUTS) return;
  throw new InputError(`${rollouts} are too many`, "--rollouts", `give ${MOST_ROLLOUTS} at most`);
}

/** Throws InputError where nothing says whether a continuation is right. */
function checkCheckable({ stored }: ReadTrace): void {
  if (stored !== null && stored.row.item !== null) return;
  throw stored === null
    ? new InputError("nothing checks what was typed", "--rollouts", "give a stored failure by --case, or leave it out")
    : new InputError(
      `nothing checks the answers of ${JSON.stringify(stored.row.key)}`,
      "--rollouts",
      "give a case of a benchmark whose items are known, or leave it out",
    );
}

async function storedReach(
  loaded: LoadedModel,
  { stored, tokenizer, request: { steps } }: ReadTrace,
  rollouts: number,
  options: RunOptions,
): Promise<readonly StoredReach[] | null> {
  const [{ openCheckers }, { storedCase }, { reachOf }] = await Promise.all([
    import("../checkers/check.ts"),
    import("../search/stored_case.ts"),
    import("../traces/reach.ts"),
  ]);
  const { row, model } = stored!;
  const checkers = openCheckers();
  try {
    const searchCase = storedCase(row, checkers, { tokenizer, model: { ...model, loaded } });
    return await reachOf(loaded, tokenizer, { searchCase, steps, rollouts }, options);
  } finally {
    await checkers.close();
  }
}

function documentOf(
  { request, promptTokens, tokenizer }: ReadTrace,
  result: TraceResult,
  reach: readonly StoredReach[] | null,
): TraceDocument {
  const { pair, ...row } = result.error;
  const named = (one: { readonly id: number; readonly logit: number } | undefined) =>
    one ? { ...one, text: tokenizer.token(one.id) } : null;
  return {
    rule: result.rule,
    inputIds: result.inputIds,
    tokens: request.inputIds.map(tokenizer.token),
    promptTokens,
    sentences: result.sentences,
    steps: result.steps,
    error: { ...row, target: named(pair?.target), contrast: named(pair?.contrast) },
    heat: [...result.heat],
    signedHeat: [...result.signedHeat],
    relevance: [...result.relevance.at(-1)!],
    reach,
    lostAt: reach && lostAt(reach),
    adapter: result.adapter,
    seconds: result.seconds,
  };
}

/** What `culprit plan trace` plans. */
export async function readTracePlan(
  context: VerbContext,
  verb: Verb,
): Promise<{ readonly model: string; readonly requests: readonly SeedRequest[] }> {
  const { model, request } = await readTrace(context, verb);
  return { model, requests: plannedSeeds(request) };
}
