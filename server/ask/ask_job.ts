/** Asking: a prompt typed just now becomes a job that responds to it, or a failure case that a job explains. */
import { eq } from "drizzle-orm";
import type { PgBoss } from "pg-boss";
import { InputError } from "../../gpu/mod.ts";
import { generations } from "../../schema/tables/ask_tables.ts";
import { failureCases, jobs, models } from "../../schema/tables/tables.ts";
import type {
  AskedToken,
  CasePlace,
  CreatedExplanation,
  ExplainRequest,
  GenerateRequest,
  ResponsePlace,
  TypedPlace,
} from "../../schema/services/asks.ts";
import type { Database } from "../../schema/tables/database.ts";
import { canonicalHash, textHash } from "../base/canonical_hash.ts";
import { storable } from "../cases/place_case.ts";
import type { Transaction } from "../database/database.ts";
import { enqueue } from "../jobs/enqueue.ts";
import { type CreatedJob, insertJob } from "../jobs/jobs.ts";
import { modelByName, type ModelRow } from "../models/find_model.ts";
import type { ModelReader } from "../models/reading.ts";
import {
  type CaseTexts,
  type NamedToken,
  READ_CASE_TEXTS,
  READ_PROMPT,
  READ_TOKEN,
  type ReadPrompt,
} from "./readings.ts";

/** The benchmark of failure cases that people typed. */
export const ASK = "ask";

/** Stores a job that responds to a prompt. Throws InputError for a model that is not there, or a prompt of no tokens. */
export async function createGenerateJob(
  db: Database,
  boss: PgBoss,
  reader: ModelReader,
  { place, maxTokens, alternatives, thinkingTokens, idempotencyKey }: GenerateRequest,
): Promise<CreatedJob> {
  const { model, read, thinking } = "jobId" in place
    ? await readOtherResponse(db, reader, place)
    : await readTyped(db, reader, place, thinkingTokens);
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
  reader: ModelReader,
  request: ExplainRequest,
): Promise<CreatedExplanation> {
  const { rule, idempotencyKey, place } = request;
  const { model, response, storeCase } = await explainedCase(db, reader, place);
  const contrast = await typedToken(reader, model, request.contrast, "contrast");
  const target = request.target
    ? await typedToken(reader, model, request.target, "target")
    : response && { id: response[0]! };
  if (target?.id === contrast.id) {
    throw new InputError(
      `target and contrast are the same token ${JSON.stringify(contrast.name)}`,
      "contrast",
      "name the token that should have come instead of the target",
    );
  }
  return await db.transaction(async (tx) => {
    const failureCaseId = await storeCase(tx);
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
    return { failureCaseId, jobId: job.id, note: noteOf(request.contrast, contrast) };
  });
}

/** What is explained, and what stores its case or finds it; gives the case's row id. */
async function explainedCase(db: Database, reader: ModelReader, place: ExplainRequest["place"]) {
  if ("failureCaseId" in place) {
    const { model, response } = await readPlacedCase(db, place);
    return { model, response, storeCase: () => Promise.resolve(place.failureCaseId) };
  }
  const { model, read, response } = "jobId" in place
    ? await readResponse(db, place)
    : await readTyped(db, reader, place);
  const typed = {
    read,
    inputIds: [...read.promptIds, ...read.prefixIds],
    completionIds: [...read.prefixIds, ...(response ?? [])],
  };
  const promptTokens = read.promptIds.length;
  const texts = await reader.read(READ_CASE_TEXTS, model.directory, { ...typed, promptTokens });
  return { model, response, storeCase: (tx: Transaction) => storeCase(tx, model, { ...typed, texts }) };
}

/** A stored case with its model; its error stands behind its tokens, and is the next token of its response. */
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
  return { model, response: next === undefined ? undefined : [next] };
}

function noteOf(typed: AskedToken, { others, name }: NamedToken) {
  if (others === 0 || !("text" in typed)) return null;
  return `${JSON.stringify(typed.text)} is ${others + 1} tokens: its first one, ${JSON.stringify(name)}, is explained`;
}

function typedToken(reader: ModelReader, model: ModelRow, token: AskedToken, where: string): Promise<NamedToken> {
  return reader.read(READ_TOKEN, model.directory, { token, where, vocabulary: model.vocabulary });
}

/** What is explained: the tokens before it, and the response from it on where that is known. */
interface ExplainedPlace {
  readonly model: ModelRow;
  readonly read: ReadPrompt;
  /** Ids of the response from the explained token on. */
  readonly response: readonly number[] | undefined;
  /** Tokens of a thought before the answer, where the model is to think. */
  readonly thinking?: number | undefined;
}

async function readTyped(
  db: Database,
  reader: ModelReader,
  { model: name, prompt }: TypedPlace,
  thinking?: number,
): Promise<ExplainedPlace> {
  const model = await modelByName(db, name, "model");
  const typed = { asked: prompt, model: model.name, thinks: thinking !== undefined };
  return { model, read: await reader.read(READ_PROMPT, model.directory, typed), response: undefined, thinking };
}

/** A token of a stored response: its ids as they were decoded, since a text may be cut into tokens otherwise. */
async function readResponse(
  db: Database,
  { jobId, position }: ResponsePlace,
): Promise<ExplainedPlace> {
  const [row] = await db.select().from(generations).innerJoin(models, eq(models.id, generations.modelId))
    .where(eq(generations.jobId, jobId));
  if (!row) throw new InputError(`there is no response of a job ${jobId}`, "at.job", "give the id of a GENERATE job");
  const { generations: generation, models: model } = row;
  const ids = generation.tokens.map(({ id }) => id);
  if (position >= ids.length) {
    throw new InputError(
      `the response has ${ids.length} tokens${generation.stop === null ? " so far" : ""}, none at position ${position}`,
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
  return { model, read, response: ids.slice(position), thinking: generation.thought?.budget };
}

/** A stored response up to a token, and another one in its place. */
async function readOtherResponse(
  db: Database,
  reader: ModelReader,
  { instead, ...place }: ResponsePlace & { readonly instead: number },
): Promise<ExplainedPlace> {
  const { model, read, thinking } = await readResponse(db, place);
  const { id, name } = await typedToken(reader, model, { id: instead }, "at.instead");
  const { prefix, prefixIds } = read;
  const other = { ...read, prefix: prefix + storable(name), prefixIds: [...prefixIds, id] };
  return { model, read: other, response: undefined, thinking };
}

interface TypedCase {
  readonly read: ReadPrompt;
  readonly inputIds: number[];
  readonly completionIds: number[];
  readonly texts: CaseTexts;
}

/** The failure case of these tokens; the one that is there where somebody asked the same before. */
async function storeCase(
  tx: Transaction,
  model: ModelRow,
  { read, inputIds, completionIds, texts }: TypedCase,
): Promise<number> {
  const { messages, prompt, prefix, promptIds, prefixIds } = read;
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
    ...texts,
    completionIds,
    instructionPhrases: [],
    metadata: {},
    inputIds,
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
