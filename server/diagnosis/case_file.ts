/** Failure cases for diagnosis from a culprit/1 file, without a database. */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { InputError, type ModelConfig, type Tokenizer } from "../../gpu/mod.ts";
import type { Checkers } from "../checkers/check.ts";
import type { Items } from "../benchmarks/items.ts";
import { readCases } from "../masking/case_file.ts";
import { spellMarks } from "../cases/segments.ts";
import { foundMarks, instructionsOf } from "../marks/found_marks.ts";
import type { ProbedCase } from "./diagnose.ts";
import { relevantTokens } from "./relevant_tokens.ts";

/** What diagnosis reads of a line besides what masking does. */
const record = z.object({
  key: z.string(),
  completion: z.string(),
  instructionPhrases: z.array(z.string()).default([]),
  marks: z.object({ instructions: z.array(z.int()).nullish() }).nullish(),
});

export interface DiagnosisFileCase extends Omit<ProbedCase, "graph" | "delta"> {
  readonly key: string;
  readonly inputIds: readonly number[];
}

/** Reads a file's cases, and which of their constraints the answers break. Throws InputError at `path:line`. */
export async function readDiagnosisCases(
  path: string,
  config: ModelConfig,
  tokenizer: Tokenizer,
  items: Items,
  checkers: Checkers,
): Promise<DiagnosisFileCase[]> {
  const cases = await readCases(path, config, tokenizer, items);
  const lines = (await readFile(path, "utf8")).split("\n").filter((line) => line.trim() !== "");
  return await Promise.all(cases.map(async ({ key, inputIds, promptTokens, target, contrast, item }, index) => {
    const read = record.safeParse(JSON.parse(lines[index]!));
    if (!read.success) {
      const { path: field, message } = read.error.issues[0]!;
      throw new InputError(
        `${key}: ${field.join(".")}: ${message}`,
        path,
        "give culprit/1 cases, as docs/import.md says",
      );
    }
    const { completion, instructionPhrases } = read.data;
    const found = foundMarks(instructionPhrases, item ?? null);
    const { marks, segments } = spellMarks(tokenizer, inputIds, promptTokens, found?.marks ?? []);
    const phrases = marks.map(({ phrase }) => phrase);
    const unspelled = instructionPhrases.find((phrase) => !phrases.includes(phrase));
    if (unspelled !== undefined) {
      throw new InputError(`${key}: the prompt does not spell ${JSON.stringify(unspelled)}`, path, "mend the phrase");
    }
    const marked = {
      inputIds,
      promptTokens,
      segments,
      edited: false,
      instructionPhrases: phrases,
      phraseInstructions: read.data.marks?.instructions ?? instructionsOf(marks),
    };
    const detail = item?.kind === "ifeval" ? (await checkers.check(item, completion)).detail : undefined;
    return {
      key,
      inputIds,
      target,
      contrast,
      targetText: tokenizer.token(target),
      texts: inputIds.map((id) => tokenizer.token(id)),
      segments,
      relevant: relevantTokens(tokenizer, marked, detail),
    };
  }));
}
