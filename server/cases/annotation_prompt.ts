/** A text that asks an outside annotator, a person or a model, for a failure case's token pair. */
import { asc, eq } from "drizzle-orm";
import { InputError } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { failureCases, models, tokenPairs } from "../../schema/tables/tables.ts";
import type { ModelReader } from "../models/reading.ts";
import { SHOW_TOKENS } from "./shown_tokens.ts";

/** Tokens of the completion that are listed; more would drown whoever reads them. */
const MAX_LISTED = 4000;
/** Characters of the prompt that are shown. */
const MAX_PROMPT = 60_000;

/** Throws InputError when there is no such case. */
export async function annotationPrompt(
  db: Database,
  failureCaseId: number,
  reader: ModelReader,
): Promise<string> {
  const [row] = await db.select({
    key: failureCases.key,
    prompt: failureCases.prompt,
    completionIds: failureCases.completionIds,
    promptTokens: failureCases.promptTokens,
    verdict: failureCases.verdict,
    directory: models.directory,
  }).from(failureCases).innerJoin(models, eq(models.id, failureCases.modelId)).where(
    eq(failureCases.id, failureCaseId),
  );
  if (!row) {
    throw new InputError(`there is no failure case ${failureCaseId}`, "failureCaseId", "name one that is stored");
  }
  const pairs = await db.select({ position: tokenPairs.position, candidates: tokenPairs.candidates }).from(tokenPairs)
    .where(eq(tokenPairs.failureCaseId, failureCaseId)).orderBy(asc(tokenPairs.id)).limit(10);
  const ids = row.completionIds.slice(0, MAX_LISTED);
  const listed = (await reader.read(SHOW_TOKENS, row.directory, { ids }))
    .map(({ text }, position) => `${position}\t${ids[position]}\t${JSON.stringify(text)}`);
  const left = row.completionIds.length - listed.length;
  const alternatives = pairs.flatMap(({ position, candidates }) =>
    candidates.map(({ rank, id, text, passed }) =>
      `${position - row.promptTokens}\t${rank}\t${id}\t${JSON.stringify(text)}\t${
        passed === null ? "not tried" : passed ? "passed" : "failed"
      }`
    )
  );
  const prompt = row.prompt.length > MAX_PROMPT
    ? `${row.prompt.slice(0, MAX_PROMPT / 2)}\n[...]\n${row.prompt.slice(-MAX_PROMPT / 2)}`
    : row.prompt;
  return `${
    [
      "A language model failed a task. Find the first token of its answer that leaves the way to a right answer, and the",
      "token that should have come there instead: one with which the model could still have gone on to a right answer.",
      "",
      "PROMPT, as the model read it:",
      "<<<",
      prompt,
      ">>>",
      "",
      ...(row.verdict?.reason === undefined ? [] : [`WHY IT FAILED: ${row.verdict.reason}`, ""]),
      "ANSWER, a token a line (position, token id, text as JSON):",
      ...listed,
      ...(left > 0 ? [`[${left} more tokens]`] : []),
      "",
      ...(alternatives.length === 0 ? [] : [
        "ALTERNATIVES that the model considered (position, rank, token id, text, what became of them):",
        ...alternatives,
        "",
      ]),
      "Answer with one line of JSON and nothing else. When there is such a token:",
      JSON.stringify({ key: row.key, decision: "pair", position: 0, contrast: { text: " right" }, reason: "why" }),
      "where position is the wrong token's, and contrast.text is the text of exactly one token, its leading space included",
      '(or {"id": N} with a token id). When no single token is to blame, or the task is broken:',
      JSON.stringify({ key: row.key, decision: "exclude", reason: "why" }),
    ].join("\n")
  }\n`;
}
