/**
 * Prompts in IFEval's form to train on: tasks of our own with demands of its 25 types, drawn by a seed, none of them a
 * held-out prompt. A line of such a file is an item as `collect` and the checkers take it.
 */
import { InputError } from "../../../gpu/mod.ts";
import { type Random, randomStream, shuffled } from "../../base/statistics/random.ts";
import { type HeldOut, MOST_OVERLAP, wordsOf } from "./held_out.ts";
import { agree, type Demand, demandOf, openDraw, TYPES } from "./instructions.ts";
import { PERSONS, QUESTIONS, SUBJECTS, TASKS } from "./words.ts";

export interface TrainingPrompt {
  readonly key: string;
  readonly prompt: string;
  readonly instruction_id_list: readonly string[];
  readonly kwargs: readonly Demand["kwargs"][];
  /** The words that state each demand, exact parts of the prompt. */
  readonly instruction_phrases: readonly string[];
}

export interface MadePrompts {
  readonly prompts: readonly TrainingPrompt[];
  /** Drawn and thrown away: too near to a held-out prompt. */
  readonly refused: number;
  /** Largest overlap of those that stayed. */
  readonly overlap: number;
}

/** Shares of prompts with one, two and three demands: IFEval's own are 305, 179 and 57 of 541. */
const DEMANDS_OF_541 = [305, 179, 57] as const;

/** Draws for one prompt before it is given up: the held-out prompts leave no room then. */
const MOST_DRAWS = 1000;

/**
 * The first prompts of a larger count are those of a smaller one. Every type comes once in 25 prompts as the first that is
 * drawn, those that agree with it beside it. Throws InputError where
 * held-out prompts leave no room.
 */
export function makePrompts(count: number, seed: number, heldOut: HeldOut): MadePrompts {
  const prompts: TrainingPrompt[] = [];
  const known = new Set<string>();
  let [refused, largest] = [0, 0];
  for (let place = 0; place < count; place++) {
    const turn = Math.floor(place / TYPES.length);
    const first = shuffled(TYPES, randomStream(seed, `types ${turn}`))[place % TYPES.length]!;
    const random = randomStream(seed, `prompt ${place}`);
    for (let draws = 0;; draws++) {
      if (draws === MOST_DRAWS) {
        throw new InputError(
          `no prompt of type ${first} can be made that is none of them`,
          "held-out prompts",
          "leave out those that were made by this program, or make fewer",
        );
      }
      const made = makePrompt(first, random, `${seed}-${place + 1}`);
      const words = wordsOf(made.prompt).join(" ");
      if (known.has(words)) continue;
      const overlap = heldOut.overlap(made.prompt);
      if (overlap >= MOST_OVERLAP) {
        refused++;
        continue;
      }
      known.add(words);
      largest = Math.max(largest, overlap);
      prompts.push(made);
      break;
    }
  }
  return { prompts, refused, overlap: largest };
}

function makePrompt(first: string, random: Random, key: string): TrainingPrompt {
  const task = makeTask(first === "detectable_format:constrained_response" ? QUESTIONS : TASKS, random);
  const types = [first];
  const wanted = demandCount(random);
  while (types.length < wanted) {
    const open = TYPES.filter((type) => types.every((other) => agree(type, other)));
    if (open.length === 0) break;
    types.push(open[random.below(open.length)]!);
  }
  const draw = openDraw(random, task);
  const demands = inOrder(types, random).map((type) => demandOf(type, draw));
  const between = random.below(4) === 0 ? "\n\n" : " ";
  return {
    key,
    prompt: `${task}${between}${demands.map(({ text }) => text).join(" ")}`,
    instruction_id_list: demands.map(({ type }) => type),
    kwargs: demands.map(({ kwargs }) => kwargs),
    instruction_phrases: demands.map(({ text }) => text),
  };
}

/** By chance; what repeats the request above it comes first, and a phrase that is quoted to the prompt's end last. */
function inOrder(types: readonly string[], random: Random): string[] {
  const rank = (type: string) => type === "combination:repeat_prompt" ? 0 : type === "startend:end_checker" ? 2 : 1;
  return shuffled(types, random).sort((a, b) => rank(a) - rank(b));
}

function demandCount(random: Random): number {
  let place = random.below(DEMANDS_OF_541.reduce((sum, one) => sum + one, 0));
  let demands = 0;
  for (; place >= DEMANDS_OF_541[demands]!; demands++) place -= DEMANDS_OF_541[demands]!;
  return demands + 1;
}

function makeTask(tasks: readonly string[], random: Random): string {
  const [person, other] = shuffled(PERSONS, random);
  const subject = SUBJECTS[random.below(SUBJECTS.length)]!;
  const task = tasks[random.below(tasks.length)]!;
  const filled = task.replace("{person}", person!).replace("{other}", other!).replace("{subject}", subject);
  return filled[0]!.toUpperCase() + filled.slice(1);
}
