/** The process that reads models' files for the server that people talk to. */
import { READ_CASE_TEXTS, READ_PROMPT, READ_TOKEN } from "../ask/readings.ts";
import { answerQuestions } from "../base/answer_questions.ts";
import { DESCRIBE_BENCHMARK } from "../benchmarks/benchmarks.ts";
import { READ_CHOICE } from "../cases/annotate.ts";
import { SHOW_TOKENS } from "../cases/shown_tokens.ts";
import { DESCRIBE_MODEL } from "../models/add_model.ts";
import { ownReader, type Reading } from "../models/reading.ts";
import { CHECK_THINKING } from "../models/thinking.ts";
import { READ_PAIRS } from "../preferences/read.ts";
import type { ReadQuestion } from "./model_reader.ts";

/** All readings there are. */
export const READINGS = [
  CHECK_THINKING,
  DESCRIBE_BENCHMARK,
  DESCRIBE_MODEL,
  READ_CASE_TEXTS,
  READ_CHOICE,
  READ_PAIRS,
  READ_PROMPT,
  READ_TOKEN,
  SHOW_TOKENS,
] as const;

if (import.meta.main) {
  const byName = new Map(READINGS.map((one) => [one.name, one as Reading<unknown, unknown>]));
  const reader = ownReader();
  await answerQuestions(({ reading, directory, input }: ReadQuestion) =>
    reader.read(byName.get(reading)!, directory, input)
  );
}
