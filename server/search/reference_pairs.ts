/**
 * Token pairs from a benchmark's own solutions, for models that no single token brings back on the way: at a place of the
 * solution the model would write something else (the target) than the solution has (the contrast), and fails if it goes
 * on from there. The answer before the place is the solution's, not the model's: teacher forcing.
 */
import type { GenerateResult, LoadedModel, NextTokens, RunOptions, Tokenizer } from "../../gpu/mod.ts";
import type { BenchmarkRow } from "../benchmarks/benchmarks.ts";
import { type Question, type QuestionSettings, readQuestions } from "../benchmarks/questions.ts";
import { referenceSolution } from "../benchmarks/reference_solution.ts";
import { CLEAN_DELTA } from "../cases/clean_delta.ts";
import { rankIn } from "../cases/ranks.ts";
import type { Checkers } from "../checkers/check.ts";
import { spellsItself } from "./outcome.ts";

/** Largest logits that are read at each place: a solution's token that is not among them costs a pass of its own. */
const TOP = 32;

/** The benchmark that holds the reference pairs of another. */
export const referenceName = (benchmark: string): string => `${benchmark}-reference`;

export interface ReferenceSettings extends QuestionSettings {
  /** Places of a solution that are tried, from the first. */
  readonly positions: number;
  /** Rollouts that are decoded together. */
  readonly batch: number;
}

export interface ReferenceParts {
  readonly model: Pick<LoadedModel, "config" | "nextTokens" | "logits" | "generate">;
  /** The model's name and its row. */
  readonly name: string;
  readonly modelId: number;
  readonly tokenizer: Tokenizer;
  readonly checkers: Pick<Checkers, "check">;
  readonly options: RunOptions;
  /** Called after each wave of rollouts. */
  readonly onWave?: (done: number, total: number) => void;
}

/** Why an item gave no pair. */
export type WithoutPair = "no_solution" | "solution_fails" | "solution_undecided" | "context_too_long" | "no_place";

export interface ReferencePairs {
  /** Lines of culprit/1, in the order of the items. */
  readonly lines: readonly string[];
  readonly items: number;
  readonly without: Readonly<Record<WithoutPair, number>>;
}

/** An item whose solution is gone through. */
interface Walk {
  readonly question: Question;
  readonly text: string;
  /** [solution tokens] */
  readonly ids: readonly number[];
  /** The largest logits at each place, [solution tokens][TOP]. */
  readonly next: NextTokens;
  /** Places that count, in their order; those in front are taken off. */
  readonly places: number[];
  line: string | undefined;
}

/** A place at which the model would write something else, by more than the least delta. */
interface Place {
  readonly walk: Walk;
  readonly position: number;
  readonly target: Logit;
  readonly contrast: Logit & { readonly rank: number };
}

interface Logit {
  readonly id: number;
  readonly logit: number;
}

/** Computes the pairs; stores nothing. Throws InputError for a file that is no benchmark. */
export async function referencePairs(
  benchmark: BenchmarkRow,
  settings: ReferenceSettings,
  parts: ReferenceParts,
): Promise<ReferencePairs> {
  const questions = await readQuestions(benchmark, settings, parts);
  const without: Record<WithoutPair, number> = {
    no_solution: 0,
    solution_fails: 0,
    solution_undecided: 0,
    context_too_long: 0,
    no_place: 0,
  };
  const walks: Walk[] = [];
  for (const question of questions) {
    const walk = await walkOf(question, settings, parts);
    if (typeof walk === "string") without[walk]++;
    else walks.push(walk);
  }
  const open = new Set(walks);
  while (open.size > 0) {
    const wave = [...open].slice(0, settings.batch);
    for (const walk of await advance(wave, settings.maxTokens, parts)) open.delete(walk);
    parts.onWave?.(walks.length - open.size, walks.length);
  }
  const lines = walks.flatMap(({ line }) => line === undefined ? [] : [line]);
  without.no_place += walks.length - lines.length;
  return { lines, items: questions.length, without };
}

async function walkOf(
  question: Question,
  { maxTokens, positions }: ReferenceSettings,
  { model, tokenizer, checkers, options }: ReferenceParts,
): Promise<Walk | WithoutPair> {
  const solution = referenceSolution(question.row);
  const { promptIds, item } = question.response;
  if (solution === undefined || !item) return "no_solution";
  const { text, given } = solution;
  const { passed } = await checkers.check(item, text);
  if (passed !== true) return passed === null ? "solution_undecided" : "solution_fails";
  const ids = tokenizer.encode(text, { continues: true });
  if (promptIds.length + ids.length + maxTokens > model.config.maxPositions) return "context_too_long";
  const [next] = await model.nextTokens(
    [{ inputIds: [...promptIds, ...ids.slice(0, -1)], from: promptIds.length - 1, top: TOP }],
    options,
  );
  const places = placesOf(ids, next!, tokenizer, { given, numbers: solution.places === "numbers" });
  return { question, text, ids, next: next!, places: places.slice(0, positions), line: undefined };
}

/**
 * Places of a solution at which the model's choice is another token than the solution's.
 *
 * @param ids the solution, [tokens]
 * @param next the largest logits at each place, largest first, [tokens][1 at least]
 * @param given characters in front whose places don't count; `numbers`: only places where both tokens hold a digit
 */
export function placesOf(
  ids: readonly number[],
  next: NextTokens,
  tokenizer: Pick<Tokenizer, "token" | "decode">,
  { given, numbers }: { readonly given: number; readonly numbers: boolean },
): number[] {
  const counts = numbers ? /\d/ : /\S/;
  return ids.flatMap((id, position) => {
    const choice = next[position]?.[0]?.id;
    if (choice === undefined || choice === id) return [];
    if (![choice, id].every((one) => counts.test(tokenizer.token(one)))) return [];
    return given > 0 && tokenizer.decode(ids.slice(0, position)).length < given ? [] : [position];
  });
}

/** Tries the next place of each; says which are done: a pair was found, or no place is left. */
async function advance(wave: readonly Walk[], maxTokens: number, parts: ReferenceParts): Promise<Walk[]> {
  const { model, tokenizer, checkers, options } = parts;
  const tried: Place[] = [];
  for (const walk of wave) {
    const place = await nextPlace(walk, parts);
    if (place !== undefined) tried.push(place);
  }
  const results = await model.generate(
    tried.map(({ walk, position, target }) => ({
      inputIds: contextOf(walk, position),
      force: target.id,
      maxTokens,
    })),
    options,
  );
  for (const [index, place] of tried.entries()) {
    const { ids, end } = results[index] as GenerateResult;
    const completionIds = [...place.walk.ids.slice(0, place.position), ...ids];
    const completion = tokenizer.decode(completionIds, { continues: true });
    const verdict = await checkers.check(place.walk.question.response.item!, completion);
    if (verdict.passed !== false) continue;
    const answer = { completion, completionIds: end === null ? completionIds : [...completionIds, end], verdict };
    place.walk.line = JSON.stringify(lineOf(place, answer, parts));
  }
  return wave.filter(({ line, places }) => line !== undefined || places.length === 0);
}

const contextOf = ({ question, ids }: Walk, position: number) => [
  ...question.response.promptIds,
  ...ids.slice(0, position),
];

/** The next place whose tokens are what their text says, and at which the model is decided. */
async function nextPlace(walk: Walk, parts: ReferenceParts): Promise<Place | undefined> {
  const { tokenizer } = parts;
  for (let position = walk.places.shift(); position !== undefined; position = walk.places.shift()) {
    if (!spellsItself(tokenizer, walk.question.response.promptIds, walk.ids.slice(0, position))) continue;
    const { id, logit } = walk.next[position]![0]!;
    const target = { id, logit };
    const contrast = await contrastAt(walk, position, parts);
    if (target.logit - contrast.logit > CLEAN_DELTA) return { walk, position, target, contrast };
  }
  return undefined;
}

/** The solution's token at a place. */
async function contrastAt(
  walk: Walk,
  position: number,
  { model, options }: ReferenceParts,
): Promise<Place["contrast"]> {
  const id = walk.ids[position]!;
  const best = walk.next[position]!;
  const rank = best.findIndex((one) => one.id === id);
  if (rank >= 0) return { id, rank, logit: best[rank]!.logit };
  return { id, ...rankIn(await model.logits(contextOf(walk, position), options), id) };
}

function lineOf(
  { walk, position, target, contrast }: Place,
  answer: { readonly completion: string; readonly completionIds: readonly number[]; readonly verdict: object },
  { tokenizer, name }: ReferenceParts,
) {
  const { benchmark, task, messages, prompt, promptIds, instructionPhrases, item, metadata } = walk.question.response;
  const before = walk.ids.slice(0, position);
  const shown = { ...contrast, text: tokenizer.token(contrast.id) };
  return {
    format: "culprit/1",
    key: `${walk.question.key}@reference`,
    benchmark: referenceName(benchmark),
    task,
    model: name,
    messages,
    prompt,
    prefix: tokenizer.decode(before, { continues: true }),
    inputIds: [...promptIds, ...before],
    promptTokens: promptIds.length,
    completion: answer.completion,
    completionIds: answer.completionIds,
    target: { ...target, text: tokenizer.token(target.id) },
    contrast: shown,
    delta: target.logit - contrast.logit,
    instructionPhrases,
    candidates: [
      { rank: 0, ...target, text: tokenizer.token(target.id), completion: answer.completion, passed: false },
      { ...shown, completion: walk.text, passed: true },
    ],
    item,
    verdict: answer.verdict,
    metadata: { ...metadata, reference: "the answer before the place is the benchmark's own solution" },
  };
}
