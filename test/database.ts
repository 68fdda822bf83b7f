/** A fresh, migrated database for a test file, and what tests put into it. */
import postgres from "postgres";
import { afterAll, beforeAll, inject } from "vitest";
import type {} from "./database_setup.ts";
import { type Connection, migrateDatabase, openDatabase } from "../server/database/database.ts";
import { failureCases, models, tokenPairs } from "../schema/tables/tables.ts";

export interface TestDatabase {
  readonly url: string;
  readonly connection: Connection;
  /** Statements that went through `connection` since `countStatements` was last called. */
  countStatements(): Statement[];
}

export interface Statement {
  readonly text: string;
  readonly parameters: readonly unknown[];
}

/** Makes a database before the file's tests and drops it after them. Call it at the top of the file. */
export function testDatabase(): TestDatabase {
  const name = `test_${crypto.randomUUID().replaceAll("-", "")}`;
  const url = Object.assign(new URL(inject("databaseUrl")), { pathname: `/${name}` }).href;
  let statements: Statement[] = [];
  let connection: Connection | undefined;
  const administer = async (statement: string): Promise<void> => {
    const sql = postgres(inject("databaseUrl"), { max: 1, onnotice: () => {} });
    await sql.unsafe(statement);
    await sql.end();
  };
  beforeAll(async () => {
    await administer(`create database ${name}`);
    await migrateDatabase(url);
    connection = openDatabase(url, (text, parameters) => statements.push({ text, parameters }));
  });
  afterAll(async () => {
    await connection?.close();
    await administer(`drop database ${name} with (force)`);
  });
  return {
    url,
    get connection() {
      return connection!;
    },
    countStatements: () => {
      const counted = statements;
      statements = [];
      return counted;
    },
  };
}

/** Stores a model that only exists as a row, unless `values` say more; returns its id. */
export async function storeModel(
  { connection: { db } }: TestDatabase,
  values: Partial<typeof models.$inferInsert> = {},
): Promise<number> {
  const [row] = await db.insert(models).values({
    name: "demo-1m",
    directory: "models/demo-1m",
    architecture: "qwen3",
    parameters: 1_000_000,
    layers: 2,
    hidden: 64,
    vocabulary: 2048,
    tokenizerHash: "tokenizer",
    hash: "weights",
    ...values,
  }).returning({ id: models.id });
  return row!.id;
}

/** Stores a failure case of four tokens with one token pair; returns the pair's id. */
export async function storePair(
  { connection: { db } }: TestDatabase,
  modelId: number,
  key: string,
  values: { readonly delta?: number; readonly benchmark?: string } = {},
): Promise<number> {
  const { delta = 2, benchmark = "demo-ifeval" } = values;
  const [row] = await db.insert(failureCases).values({
    modelId,
    key,
    benchmark,
    task: key,
    messages: [],
    prompt: "ab c",
    prefix: "d",
    completion: "de",
    completionIds: [4, 5],
    instructionPhrases: ["b"],
    metadata: {},
    inputIds: [1, 2, 3, 4],
    tokenTexts: ["a", "b", " c", "d"],
    segments: "SIQA",
    tokenCount: 4,
    promptTokens: 3,
    delta,
    status: delta > 1 ? "clean" : "excluded",
    exclusion: delta > 1 ? null : "delta_too_small",
    source: "imported",
    contentHash: key,
  }).returning({ id: failureCases.id });
  const [pair] = await db.insert(tokenPairs).values({
    failureCaseId: row!.id,
    position: 4,
    targetId: 5,
    targetText: " wrong",
    targetLogit: 3,
    contrastId: 6,
    contrastText: " right",
    contrastLogit: 3 - delta,
    contrastRank: 1,
    delta,
    source: "imported",
    candidates: [{ rank: 1, id: 6, text: " right", logit: 3 - delta, completion: "d right", passed: true }],
    contentHash: key,
  }).returning({ id: tokenPairs.id });
  return pair!.id;
}
