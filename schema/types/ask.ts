/** Ask: an answer of a model to a prompt typed just now, and why it did not say something else. */
import { z } from "zod";
import type { GeneratedAlternative, GeneratedToken } from "../tables/ask_tables.ts";
import type { AskedPrompt, AskedToken, CreatedExplanation } from "../services/asks.ts";
import { InputError } from "./input_error.ts";
import { builder } from "./builder.ts";
import { FailureCase } from "./failure_case.ts";
import { idempotencyKey, Job } from "./job.ts";
import { checkedJobId } from "./job_id.ts";
import { found } from "./rows.ts";
import { Rule } from "./rule.ts";
import { Thought, thoughtAndAnswer } from "./thought.ts";

/** Characters of a prompt at most. */
const MOST_CHARACTERS = 1_000_000;
const prompt = z.string().min(1).max(MOST_CHARACTERS);
/** Tokens of a thought at most. */
const MOST_THINKING = 32_768;

const Alternative = builder.objectRef<GeneratedAlternative>("GeneratedAlternative").implement({
  description: "What a model could have said in place of a token of its answer.",
  fields: (t) => ({
    rank: t.exposeInt("rank", { description: "Rank among all logits, 0 = the argmax." }),
    id: t.exposeInt("id", { description: "Token id." }),
    text: t.exposeString("text", { description: "Text of the token." }),
    logit: t.exposeFloat("logit", { description: "Raw logit, no softmax." }),
    probability: t.float({
      nullable: true,
      description: "Its probability, 0 to 1; null in answers that were stored before there were any.",
      resolve: ({ probability }) => probability ?? null,
    }),
  }),
});

const Token = builder.objectRef<GeneratedToken & { readonly position: number }>("GeneratedToken").implement({
  description: "A token of an answer.",
  fields: (t) => ({
    position: t.exposeInt("position", { description: "Position, counted from the answer's first token." }),
    id: t.exposeInt("id", { description: "Token id." }),
    text: t.exposeString("text", { description: "Text of the token." }),
    logit: t.exposeFloat("logit", {
      nullable: true,
      description: "Raw logit; null while the answer is being written.",
    }),
    probability: t.float({
      nullable: true,
      description: "Its probability, 0 to 1; null while the answer is being written, and in old answers.",
      resolve: ({ probability }) => probability ?? null,
    }),
    alternatives: t.field({
      type: [Alternative],
      description: "The largest other logits, largest first; none while the answer is being written.",
      resolve: ({ alternatives }) => [...alternatives],
    }),
  }),
});

const StopReason = builder.enumType("StopReason", {
  description: "Why an answer ends.",
  values: {
    EOS: { value: "eos", description: "By itself, with a token that ends answers." },
    LENGTH: { value: "length", description: "At the limit of tokens." },
  } as const,
});

const Generation = builder.drizzleObject("generations", {
  name: "Generation",
  description: "An answer of a model to a prompt, decoded greedily; it grows while its job runs.",
  select: { columns: {} },
  fields: (t) => ({
    prompt: t.exposeString("prompt", { description: "The prompt as the model read it: the rendered chat text." }),
    prefix: t.exposeString("prefix", { description: "How the answer was told to begin." }),
    text: t.exposeString("text", {
      description: "What the model wrote so far, after the prefix: its thought and its answer.",
    }),
    thought: t.field({
      type: Thought,
      nullable: true,
      description:
        "What it thought before it answered, as far as it is written: its `tokens` are the first of `tokens`.",
      select: { columns: { text: true, thought: true } },
      // A thought that was over in the prefix is none of the text.
      resolve: ({ text, thought }) => thought && thoughtAndAnswer(text, thought).thought,
    }),
    answer: t.string({
      description: "What it wrote without its thought.",
      select: { columns: { text: true, thought: true } },
      resolve: ({ text, thought }) => thought ? thoughtAndAnswer(text, thought).answer : text,
    }),
    stop: t.expose("stop", {
      type: StopReason,
      nullable: true,
      description: "Why it ended; null while it is written.",
    }),
    tokens: t.field({
      type: [Token],
      description: "The tokens of the text.",
      complexity: { field: 20, multiplier: 2 },
      select: { columns: { tokens: true } },
      resolve: ({ tokens }) => tokens.map((token, position) => ({ ...token, position })),
    }),
  }),
});

builder.drizzleObjectFields(Job, (t) => ({
  generation: t.relation("generation", {
    type: Generation,
    nullable: true,
    description: "The answer of a GENERATE job; null for other jobs.",
  }),
}));

const text = (description: string) => ({ description, validate: prompt });

const OtherTokenInput = builder.inputType("OtherTokenInput", {
  description: "Another token in place of one of an answer that `generate` gave.",
  fields: (t) => ({
    job: t.globalID({ for: Job, required: true, description: "The GENERATE job." }),
    position: t.int({
      required: true,
      description: "Position, counted from the answer's first token.",
      validate: z.int().min(0),
    }),
    instead: t.int({
      required: true,
      description: "Id of the token that stands there instead.",
      validate: z.int().min(0),
    }),
  }),
});

const GenerateInput = builder.inputType("GenerateInput", {
  description: "What to ask which model: `chat` or `prompt`; or `at`.",
  fields: (t) => ({
    model: t.string({ description: "The name of a model that was added; not needed with `at`." }),
    chat: t.string(text(
      "A user's message, written by the model's chat template; with thinking off unless " +
        "`thinkingTokens` is given.",
    )),
    system: t.string({ description: "With `chat`: the system message before it.", validate: prompt }),
    prompt: t.string(text("Plain text; special tokens in it are parsed.")),
    at: t.field({
      type: OtherTokenInput,
      description: "Instead of a prompt: how an answer goes on after another token.",
    }),
    prefix: t.string({ description: "How the answer begins.", validate: z.string().max(MOST_CHARACTERS) }),
    maxTokens: t.int({
      required: true,
      defaultValue: 256,
      description: "Tokens of the answer at most.",
      validate: z.int().min(1).max(4096),
    }),
    thinkingTokens: t.int({
      description:
        "With `chat`: lets the model think before it answers, in so many tokens at most, which come on top of " +
        "`maxTokens`; thinking is off when nothing is said. With `at`: as in the answer that it goes on from.",
      validate: z.int().min(1).max(MOST_THINKING),
    }),
    alternatives: t.int({
      required: true,
      defaultValue: 10,
      description: "Other tokens shown at each token of the answer.",
      validate: z.int().min(1).max(50),
    }),
    idempotencyKey: t.string(idempotencyKey),
  }),
});

builder.mutationField("generate", (t) =>
  t.drizzleField({
    type: Job,
    description: "Decodes an answer greedily, on the interactive lane: `Job.generation` grows while it runs, and has " +
      "what else the model could have said at each token when it is done.",
    errors: { types: [InputError], union: { name: "GenerateResult", description: "The job, or what was wrong." } },
    args: { input: t.arg({ type: GenerateInput, required: true, description: "What to ask." }) },
    resolve: async (query, _parent, { input }, context) => {
      const { maxTokens, alternatives, thinkingTokens, idempotencyKey, at } = input;
      if (thinkingTokens != null && input.chat == null) {
        throw new InputError("only a chat has a thinking mode", "thinkingTokens", "give `chat`, or leave it out");
      }
      const id = await context.services.generate({
        place: at == null
          ? typedPlace(input)
          : { jobId: checkedJobId(at.job.id, "at.job"), position: at.position, instead: at.instead },
        maxTokens,
        alternatives,
        thinkingTokens: thinkingTokens ?? undefined,
        idempotencyKey: idempotencyKey ?? undefined,
      });
      return found(await context.db.query.jobs.findFirst(query({ where: { id } })));
    },
  }));

const TokenInput = builder.inputType("ExplainTokenInput", {
  description: "A token: its `id`, or a `text` whose first token is meant.",
  fields: (t) => ({
    id: t.int({ description: "Token id.", validate: z.int().min(0) }),
    text: t.string({ description: "Text, with its leading space.", validate: z.string().min(1).max(1000) }),
  }),
});

const AnswerPlace = builder.inputType("AnswerPlaceInput", {
  description: "A token of an answer that `generate` gave.",
  fields: (t) => ({
    job: t.globalID({ for: Job, required: true, description: "The GENERATE job." }),
    position: t.int({
      required: true,
      description: "Position, counted from the answer's first token.",
      validate: z.int().min(0),
    }),
  }),
});

const ExplainInput = builder.inputType("ExplainInput", {
  description: "Why a model said one token and not another: after a prompt, or at a token of an answer (`at`).",
  fields: (t) => ({
    model: t.string({ description: "The name of a model that was added; not needed with `at`." }),
    chat: t.string(text("A user's message, written by the model's chat template with thinking off.")),
    system: t.string({ description: "With `chat`: the system message before it.", validate: prompt }),
    prompt: t.string(text("Plain text; special tokens in it are parsed.")),
    prefix: t.string({
      description: "The answer before the token.",
      validate: z.string().max(MOST_CHARACTERS),
    }),
    at: t.field({ type: AnswerPlace, description: "Instead of prompt and prefix: a token of an answer." }),
    failureCase: t.globalID({
      for: FailureCase,
      description: "Instead of prompt and prefix: a stored case, at its error; it gets one more token pair.",
    }),
    target: t.field({ type: TokenInput, description: "The wrong token; the model's own when nothing is said." }),
    contrast: t.field({ type: TokenInput, required: true, description: "What should have stood there." }),
    rule: t.field({ type: Rule, description: "Backward rule; ATTNLRP when nothing is said." }),
    idempotencyKey: t.string(idempotencyKey),
  }),
});

const Explanation = builder.objectRef<CreatedExplanation>("Explanation").implement({
  description: "A failure case of the benchmark `ask`, and the job that attributes it.",
  fields: (t) => ({
    failureCase: t.drizzleField({
      type: FailureCase,
      description: "The case; its token pair is there when the job is done.",
      resolve: async (query, { failureCaseId }, _args, { db }) =>
        found(await db.query.failureCases.findFirst(query({ where: { id: failureCaseId } }))),
    }),
    job: t.drizzleField({
      type: Job,
      description: "The EXPLAIN job; `attributions` has its result.",
      resolve: async (query, { jobId }, _args, { db }) =>
        found(await db.query.jobs.findFirst(query({ where: { id: jobId } }))),
    }),
    note: t.exposeString("note", {
      nullable: true,
      description: "What to know of it, for example that only the first token of a text is explained.",
    }),
  }),
});

builder.mutationField("explain", (t) =>
  t.field({
    type: Explanation,
    description: "Explains why a model said one token and not another: makes (or finds) a failure case of the " +
      "benchmark `ask` and attributes it on the interactive lane.",
    errors: { types: [InputError], union: { name: "ExplainResult", description: "Case and job, or what was wrong." } },
    args: { input: t.arg({ type: ExplainInput, required: true, description: "What to explain." }) },
    resolve: async (_parent, { input }, context) => {
      const { at, failureCase, target, rule, idempotencyKey } = input;
      const typed = input.chat != null || input.prompt != null;
      if ([at != null, failureCase != null, typed].filter((given) => given).length !== 1) {
        throw new InputError("it takes exactly one of them", "at, failureCase, chat or prompt", "give one of them");
      }
      return await context.services.explain({
        place: failureCase != null
          ? { failureCaseId: Number(failureCase.id) }
          : at != null
          ? { jobId: checkedJobId(at.job.id, "at.job"), position: at.position }
          : typedPlace(input),
        target: target == null ? undefined : tokenOf(target, "target"),
        contrast: tokenOf(input.contrast, "contrast"),
        rule: rule ?? "attnlrp",
        idempotencyKey: idempotencyKey ?? undefined,
      });
    },
  }));

interface TypedPrompt {
  readonly chat?: string | null | undefined;
  readonly system?: string | null | undefined;
  readonly prompt?: string | null | undefined;
  readonly prefix?: string | null | undefined;
}

/** A prompt and the model that it is for. */
function typedPlace({ model, ...typed }: TypedPrompt & { readonly model?: string | null | undefined }) {
  if (model == null) throw new InputError("is missing", "model", "give the name of a model");
  return { model, prompt: promptOf(typed) };
}

function promptOf({ chat, system, prompt, prefix }: TypedPrompt): AskedPrompt {
  if ((chat == null) === (prompt == null)) {
    throw new InputError("it takes exactly one of the two", "chat, prompt", "give one of them");
  }
  if (prompt != null && system != null) {
    throw new InputError("a plain prompt has no system message", "system", "write it into the prompt, or give `chat`");
  }
  return chat == null
    ? { text: prompt!, prefix: prefix ?? "" }
    : { chat, system: system ?? undefined, prefix: prefix ?? "" };
}

function tokenOf(
  { id, text }: { readonly id?: number | null | undefined; readonly text?: string | null | undefined },
  where: string,
): AskedToken {
  if ((id == null) === (text == null)) {
    throw new InputError("it takes exactly one of the two", `${where}.id, ${where}.text`, "give one of them");
  }
  return id == null ? { text: text! } : { id };
}
