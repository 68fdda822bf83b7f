/**
 * Causal marks against readings: which sentences of the prompt the right step needs, as people see it.
 *
 *   deno run -A test/bench/marks.ts --model DIR --cases FILE [--readings FILE ...] [--limit N] [--stored] [--out FILE]
 *
 * Cases are culprit/1 lines. Readings are lines {"key","phrases"}; without any, a case's own instructionPhrases are the
 * reading, each taken as the sentence that holds it. --stored takes the causal marks that the lines have (`run --stages
 * mark` made them) instead of computing them: no model is loaded; --out writes them down with the sentences. Prints for each reading the mean character F1 of causal marks, of as
 * many sentences drawn at random (mean over 200 draws), and of the first sentence.
 */
import { readFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { InputError, loadTokenizer, openEngine, type Tokenizer } from "../../gpu/mod.ts";
import { continuationsOf } from "../../server/marking/continuations.ts";
import { sentenceEffects } from "../../server/marking/causal.ts";
import { promptSentences } from "../../server/marking/prompt_sentences.ts";
import { sentenceAgreement, type SentenceMarks } from "../marks_agreement.ts";

interface Case {
  readonly key: string;
  readonly prompt: string;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly inputIds: readonly number[];
  readonly promptTokens: number;
  readonly completionIds: readonly number[];
  readonly target: { readonly id: number };
  readonly contrast: { readonly id: number };
  readonly candidates: readonly never[];
  readonly instructionPhrases: readonly string[];
  readonly marks?: { readonly origin: string };
}

/** A case with the sentences of its prompt, and those that are marked. */
interface Marked extends SentenceMarks {
  readonly one: Case;
}

async function linesOf<Line>(path: string): Promise<Line[]> {
  const bytes = await readFile(path).catch(() => {
    throw new InputError("cannot be read", path, "check the path");
  });
  const text = (path.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
  return text.split("\n").filter((line) => line.trim() !== "").map((line) => JSON.parse(line) as Line);
}

async function markCases(directory: string, cases: readonly Case[], tokenizer: Tokenizer): Promise<Marked[]> {
  const engine = await openEngine();
  const model = await engine.loadModel(directory);
  const done: Marked[] = [];
  for (const one of cases) {
    const source = { ...one, targetId: one.target.id, contrastId: one.contrast.id };
    const sentences = promptSentences(tokenizer, { ...one, promptIds: one.inputIds.slice(0, one.promptTokens) });
    const ways = continuationsOf(source, tokenizer, model.config.maxPositions);
    const effects = await sentenceEffects(model, ways, sentences);
    const marked = effects.filter((effect) => effect.marked).map(({ text }) => text);
    done.push(markedOf(one, sentences.map(({ text }) => text), marked));
  }
  model.dispose();
  engine.close();
  return done;
}

const markedOf = (one: Case, sentences: readonly string[], marked: readonly string[]): Marked => ({
  one,
  key: one.key,
  prompt: one.messages.findLast(({ role }) => role === "user")?.content ?? one.prompt,
  sentences,
  marked,
});

/** The marks that the lines bring. Throws InputError for a line whose marks somebody else made. */
function storedMarks(cases: readonly Case[], tokenizer: Tokenizer, where: string): Marked[] {
  return cases.map((one) => {
    if (one.instructionPhrases.length > 0 && one.marks?.origin !== "causal") {
      throw new InputError(`the marks of ${one.key} are not causal ones`, where, "leave --stored out");
    }
    const sentences = promptSentences(tokenizer, { ...one, promptIds: one.inputIds.slice(0, one.promptTokens) })
      .map(({ text }) => text);
    return markedOf(one, sentences, ownReading({ one, sentences }));
  });
}

/** The sentences that hold a case's own phrases. */
function ownReading({ one, sentences }: Pick<Marked, "one" | "sentences">): readonly string[] {
  return sentences.filter((sentence) => one.instructionPhrases.some((phrase) => sentence.includes(phrase)));
}

const { values } = parseArgs({
  args: Deno.args,
  options: {
    model: { type: "string" },
    cases: { type: "string" },
    readings: { type: "string", multiple: true, default: [] },
    limit: { type: "string", default: "1000" },
    stored: { type: "boolean", default: false },
    out: { type: "string" },
  },
});
if (values.model === undefined || values.cases === undefined) {
  throw new InputError("it takes a model and cases", "marks", "give --model DIR --cases FILE");
}
const cases = (await linesOf<Case>(values.cases)).slice(0, Number(values.limit));
const tokenizer = await loadTokenizer(values.model);
const marked = values.stored
  ? storedMarks(cases, tokenizer, values.cases)
  : await markCases(values.model, cases, tokenizer);
if (values.out !== undefined) {
  const lines = marked.map(({ key, prompt, sentences, marked }) => JSON.stringify({ key, prompt, sentences, marked }));
  await writeFile(values.out, `${lines.join("\n")}\n`);
}
const readings = await Promise.all(values.readings.map(async (path) => {
  const lines = await linesOf<{ readonly key: string; readonly phrases: readonly string[] }>(path);
  return { name: basename(path), phrases: new Map(lines.map(({ key, phrases }) => [key, phrases])) };
}));
const own = { name: "instructionPhrases", phrases: new Map(marked.map((each) => [each.one.key, ownReading(each)])) };
for (const { name, phrases } of readings.length > 0 ? readings : [own]) {
  console.log(JSON.stringify({ reading: name, ...sentenceAgreement(marked, phrases) }));
}
Deno.exit(0);
