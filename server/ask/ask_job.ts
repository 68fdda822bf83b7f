/** Asking: a prompt typed just now becomes a job that answers it, or a failure case that a job explains. */
import { eq } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { InputError } from "../../gpu/mod.ts";
import type { Tokenizer } from "../../gpu/mod.ts";
import { generations } from "../../schema/tables/ask_tables.ts";
import { failureCases, jobs, models } from "../../schema/tables/tables.ts";
import type {
  AnswerPlace,
  AskedPrompt,
  AskedToken,
  CasePlace,
  CreatedExplanation,
  ExplainRequest,
  GenerateRequest,
  TypedPlace,
} from "../../schema/services/asks.ts";
import type { Database } from "../../schema/tables/database.ts";
import { canonicalHash, textHash } from "../base/canonical_hash.ts";
import { segmentsOf } from "../cases/segments.ts";
import { storable, tokenTextsOf } from "../cases/place_case.ts";
import type { Transaction } from "../database/database.ts";
import { enqueue } from "../jobs/enqueue.ts";
import { type CreatedJob, insertJob } from "../jobs/jobs.ts";
import { modelByName, type ModelRow } from "../models/find_model.ts";
import { checkThinking } from "../models/thinking.ts";
import { firstToken } from "../models/typed_token.ts";

/** The benchmark of failure cases that people typed. */
export const ASK = "ask";

type TokenizerOf = (directory: string) => Promise<Tokenizer>;

/** A prompt with its tokens, and the beginning of the answer after it. */
interface ReadPrompt {
  readonly messages: readonly { readonly role: string; readonly content: string }[] | null;
  readonly prompt: string;
  readonly prefix: string;
  readonly promptIds: number[];
  readonly prefixIds: number[];
}

/** Stores a job that answers a prompt. Throws InputError for a model that is not there, or a prompt of no tokens. */
export async function createGenerateJob(
  db: Database,
  boss: PgBoss,
  tokenizerOf: TokenizerOf,
  { place, maxTokens, alternatives, thinkingTokens, idempotencyKey }: GenerateRequest,
): Promise<CreatedJob> {
  const { model, read, thinking } = "jobId" in place
    ? await readOtherAnswer(db, tokenizerOf, place)
    : await readTyped(db, tokenizerOf, place, thinkingTokens);
  const promptHash = canonicalHash([read.promptIds, read.prefixIds]);
  return await db.transaction(async (tx) => {
    const thought = thinking === undefined ? {} : { thinkingTokens: thinking };
    const input = { kind: "generate", modelId: model.id, promptHash, maxTokens, alternatives, ...thought } as const;
    const job = await insertJob(tx, input, idempotencyKey);
    if (!job.created) return job;
    const empty = { text: "", stop: null, tokens: [] };
    await tx.insert(generations).values({ ...read, ...empty, jobId: job.id, modelId: model.id });
    await enqueue(tx, boss, "ask", [{ data: { jobId: job.id }, modelIds: [model.id] }], { small: true });
    return job;
  });
}

/** Stores a failure case, or finds it, and a job that attributes it. Throws InputError for what cannot be explained. */
export async function createExplainJob(
  db: Database,
  boss: PgBoss,
  tokenizerOf: TokenizerOf,
  request: ExplainRequest,
): Promise<CreatedExplanation> {
  const { rule, idempotencyKey, place } = request;
  const { model, answer, storeCase } = await explainedCase(db, tokenizerOf, place);
  const tokenizer = await tokenizerOf(model.directory);
  const contrast = typedToken(request.contrast, "contrast", model, tokenizer);
  const target = request.target
    ? typedToken(request.target, "target", model, tokenizer)
    : answer && { id: answer[0]!, others: 0 };
  if (target?.id === contrast.id) {
    throw new InputError(
      `target and contrast are the same token ${JSON.stringify(tokenizer.token(contrast.id))}`,
      "contrast",
      "name the token that should have come instead of the target",
    );
  }
  return await db.transaction(async (tx) => {
    const failureCaseId = await storeCase(tx, tokenizer);
    const input = {
      kind: "explain",
      modelId: model.id,
      failureCaseId,
      targetId: target?.id ?? null,
      contrastId: contrast.id,
      rule,
    } as const;
    const job = await insertJob(tx, input, idempotencyKey);
    if (job.created) {
      await tx.update(jobs).set({ total: 1 }).where(eq(jobs.id, job.id));
      await enqueue(tx, boss, "ask", [{ data: { jobId: job.id }, modelIds: [model.id] }], { small: true });
    }
    return { failureCaseId, jobId: job.id, note: noteOf(request.contrast, contrast, tokenizer) };
  });
}

/** What is explained, and what stores its case or finds it; gives the case's row id. */
async function explainedCase(db: Database, tokenizerOf: TokenizerOf, place: ExplainRequest["place"]) {
  if ("failureCaseId" in place) {
    const { model, answer } = await readPlacedCase(db, place);
    return { model, answer, storeCase: () => Promise.resolve(place.failureCaseId) };
  }
  const { model, read, answer } = "jobId" in place
    ? await readAnswer(db, place)
    : await readTyped(db, tokenizerOf, place);
  const completionIds = [...read.prefixIds, ...(answer ?? [])];
  return {
    model,
    answer,
    storeCase: (tx: Transaction, tokenizer: Tokenizer) => storeCase(tx, model, read, completionIds, tokenizer),
  };
}

/** A stored case with its model; its error stands behind its tokens, and is the next token of its answer. */
async function readPlacedCase(db: Database, { failureCaseId }: CasePlace) {
  const [row] = await db.select().from(failureCases).innerJoin(models, eq(models.id, failureCases.modelId))
    .where(eq(failureCases.id, failureCaseId));
  if (!row) {
    throw new InputError(`there is no failure case ${failureCaseId}`, "failureCase", "name one that is stored");
  }
  const { failure_cases: { status, tokenCount, promptTokens, completionIds }, models: model } = row;
  if (status === "open") {
    throw new InputError("its error is not placed yet", "failureCase", "find its token pair first, or mark it");
  }
  const next = completionIds[tokenCount - promptTokens];
  return { model, answer: next === undefined ? undefined : [next] };
}

function noteOf(typed: AskedToken, { id, others }: { readonly id: number; readonly others: number }, names: Tokenizer) {
  if (others === 0 || !("text" in typed)) return null;
  return `${JSON.stringify(typed.text)} is ${others + 1} tokens: its first one, ${
    JSON.stringify(names.token(id))
  }, is ` +
    "explained";
}

function typedToken(typed: AskedToken, where: string, model: ModelRow, tokenizer: Tokenizer) {
  const { vocabulary } = model;
  return firstToken("id" in typed ? String(typed.id) : `text:${typed.text}`, where, { vocabulary, tokenizer });
}

/** Renders and tokenises what was typed: prompt and beginning of the answer apart, as generation has them. */
function readPrompt(asked: AskedPrompt, tokenizer: Tokenizer, thinking = false): ReadPrompt {
  const messages = "chat" in asked
    ? [...asked.system === undefined ? [] : [{ role: "system", content: asked.system }], {
      role: "user",
      content: asked.chat,
    }]
    : null;
  const prompt = messages ? tokenizer.chat(messages, { thinking }) : (asked as { readonly text: string }).text;
  const promptIds = messages ? tokenizer.encode(prompt) : tokenizer.prompt(prompt);
  if (promptIds.length === 0) throw new InputError("there are no tokens", "prompt", "give at least one token");
  return {
    messages: messages?.map(({ role, content }) => ({ role, content: storable(content) })) ?? null,
    prompt: storable(prompt),
    prefix: storable(asked.prefix),
    promptIds,
    prefixIds: asked.prefix === "" ? [] : tokenizer.encode(asked.prefix, { continues: true }),
  };
}

/** What is explained: the tokens before it, and the answer from it on where that is known. */
interface ExplainedPlace {
  readonly model: ModelRow;
  readonly read: ReadPrompt;
  /** Ids of the answer from the explained token on. */
  readonly answer: readonly number[] | undefined;
  /** Tokens of a thought before the answer, where the model is to think. */
  readonly thinking?: number | undefined;
}

async function readTyped(
  db: Database,
  tokenizerOf: TokenizerOf,
  { model: name, prompt }: TypedPlace,
  thinking?: number,
): Promise<ExplainedPlace> {
  const model = await modelByName(db, name, "model");
  const tokenizer = await tokenizerOf(model.directory);
  if (thinking !== undefined) checkThinking(tokenizer, model.name, "thinkingTokens");
  return { model, read: readPrompt(prompt, tokenizer, thinking !== undefined), answer: undefined, thinking };
}

/** A token of a stored answer: its ids as they were decoded, since a text may be cut into tokens otherwise. */
async function readAnswer(
  db: Database,
  { jobId, position }: AnswerPlace,
): Promise<ExplainedPlace> {
  const [row] = await db.select().from(generations).innerJoin(models, eq(models.id, generations.modelId))
    .where(eq(generations.jobId, jobId));
  if (!row) throw new InputError(`there is no answer of a job ${jobId}`, "at.job", "give the id of a GENERATE job");
  const { generations: generation, models: model } = row;
  const ids = generation.tokens.map(({ id }) => id);
  if (position >= ids.length) {
    throw new InputError(
      `the answer has ${ids.length} tokens${generation.stop === null ? " so far" : ""}, none at position ${position}`,
      "at.position",
      ids.length === 0 ? "ask something else" : `give a position from 0 to ${ids.length - 1}`,
    );
  }
  const before = generation.tokens.slice(0, position);
  const { messages, prompt, promptIds } = generation;
  const read = {
    messages,
    prompt,
    promptIds,
    prefix: generation.prefix + before.map(({ text }) => text).join(""),
    prefixIds: [...generation.prefixIds, ...before.map(({ id }) => id)],
  };
  return { model, read, answer: ids.slice(position), thinking: generation.thought?.budget };
}

/** A stored answer up to a token, and another one in its place. */
async function readOtherAnswer(
  db: Database,
  tokenizerOf: TokenizerOf,
  { instead, ...place }: AnswerPlace & { readonly instead: number },
): Promise<ExplainedPlace> {
  const { model, read, thinking } = await readAnswer(db, place);
  const tokenizer = await tokenizerOf(model.directory);
  const { id } = typedToken({ id: instead }, "at.instead", model, tokenizer);
  const { prefix, prefixIds } = read;
  const other = { ...read, prefix: prefix + storable(tokenizer.token(id)), prefixIds: [...prefixIds, id] };
  return { model, read: other, answer: undefined, thinking };
}

/** The failure case of these tokens; the one that is there where somebody asked the same before. */
async function storeCase(
  tx: Transaction,
  model: ModelRow,
  { messages, prompt, prefix, promptIds, prefixIds }: ReadPrompt,
  completionIds: readonly number[],
  tokenizer: Tokenizer,
): Promise<number> {
  const inputIds = [...promptIds, ...prefixIds];
  const hash = textHash(JSON.stringify([promptIds, prefixIds]));
  const key = `${ASK}/${hash.slice(0, 12)}`;
  const [added] = await tx.insert(failureCases).values({
    modelId: model.id,
    key,
    benchmark: ASK,
    task: textHash(prompt).slice(0, 12),
    messages: messages ?? [],
    prompt,
    prefix,
    completion: storable(tokenizer.decode(completionIds, { continues: true })),
    completionIds: [...completionIds],
    instructionPhrases: [],
    metadata: {},
    inputIds,
    tokenTexts: tokenTextsOf(tokenizer, inputIds),
    segments: segmentsOf(tokenizer, inputIds, promptIds.length, []),
    tokenCount: inputIds.length,
    promptTokens: promptIds.length,
    delta: null,
    status: "open",
    source: "asked",
    contentHash: hash,
  }).onConflictDoNothing({ target: [failureCases.modelId, failureCases.key] }).returning({ id: failureCases.id });
  if (added) return added.id;
  const there = await tx.query.failureCases.findFirst({ columns: { id: true }, where: { modelId: model.id, key } });
  if (!there) throw new Error("A failure case that was in the way cannot be read");
  return there.id;
}
