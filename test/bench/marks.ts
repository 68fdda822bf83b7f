/**
 * Causal marks against readings: which sentences of the prompt the right step needs, as people see it.
 *
 *   deno run -A test/bench/marks.ts --model DIR --cases FILE [--readings FILE ...] [--limit N]
 *
 * Cases are culprit/1 lines. Readings are lines {"key","phrases"}; without any, a case's own instructionPhrases are the
 * reading, each taken as the sentence that holds it. Prints for each reading the mean character F1 of causal marks, of as
 * many sentences drawn at random (mean over 200 draws), and of the first sentence.
 */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { InputError, loadTokenizer, openEngine, type Tokenizer } from "../../gpu/mod.ts";
import { continuationsOf } from "../../server/marking/continuations.ts";
import { sentenceEffects } from "../../server/marking/causal.ts";
import { promptSentences } from "../../server/marking/prompt_sentences.ts";
import { randomStream, shuffled } from "../../server/base/statistics/random.ts";
import { covered, f1 } from "../marks_agreement.ts";

const DRAWS = 200;

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
}

/** A case with what the sentences of its prompt do. */
interface Marked {
  readonly one: Case;
  readonly sentences: readonly string[];
  readonly marked: readonly string[];
}

async function linesOf<Line>(path: string): Promise<Line[]> {
  const text = await readFile(path, "utf8").catch(() => {
    throw new InputError("cannot be read", path, "check the path");
  });
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
    done.push({ one, sentences: sentences.map(({ text }) => text), marked });
  }
  model.dispose();
  engine.close();
  return done;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Mean F1 of the marks and of both baselines over the cases that the reading has. */
function compare(cases: readonly Marked[], readings: ReadonlyMap<string, readonly string[]>) {
  const read = cases.filter(({ one }) => readings.has(one.key));
  const scoreOf = ({ one }: Marked, phrases: readonly string[]) =>
    f1(covered(one.prompt, phrases), covered(one.prompt, readings.get(one.key)!));
  return {
    cases: read.length,
    causal: mean(read.map((each) => scoreOf(each, each.marked))),
    random: mean(read.map((each) =>
      mean(Array.from({ length: DRAWS }, (_, draw) => {
        const order = shuffled(each.sentences, randomStream(draw + 1, each.one.key));
        return scoreOf(each, order.slice(0, each.marked.length));
      }))
    )),
    first: mean(read.map((each) => scoreOf(each, each.sentences.slice(0, 1)))),
  };
}

/** The sentences that hold a case's own phrases. */
function ownReading({ one, sentences }: Marked): readonly string[] {
  return sentences.filter((sentence) => one.instructionPhrases.some((phrase) => sentence.includes(phrase)));
}

const { values } = parseArgs({
  args: Deno.args,
  options: {
    model: { type: "string" },
    cases: { type: "string" },
    readings: { type: "string", multiple: true, default: [] },
    limit: { type: "string", default: "1000" },
  },
});
if (values.model === undefined || values.cases === undefined) {
  throw new InputError("it takes a model and cases", "marks", "give --model DIR --cases FILE");
}
const cases = (await linesOf<Case>(values.cases)).slice(0, Number(values.limit));
const marked = await markCases(values.model, cases, await loadTokenizer(values.model));
const readings = await Promise.all(values.readings.map(async (path) => {
  const lines = await linesOf<{ readonly key: string; readonly phrases: readonly string[] }>(path);
  return { name: basename(path), phrases: new Map(lines.map(({ key, phrases }) => [key, phrases])) };
}));
const own = { name: "instructionPhrases", phrases: new Map(marked.map((each) => [each.one.key, ownReading(each)])) };
for (const { name, phrases } of readings.length > 0 ? readings : [own]) {
  console.log(JSON.stringify({ reading: name, ...compare(marked, phrases) }));
}
Deno.exit(0);
