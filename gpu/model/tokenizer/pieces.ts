/** A text that is being cut into words, and how matches cut it (tokenizers' `SplitDelimiterBehavior`). */
import { InputError } from "../../errors.ts";

export interface Piece {
  readonly text: string;
  /** It begins where the whole text begins, before anything was put in front. */
  readonly isFirst: boolean;
}

/** One step that changes pieces or cuts them. `continues`: the whole text follows another one, without a seam. */
export type Step = (pieces: readonly Piece[], continues: boolean) => readonly Piece[];

const BEHAVIORS = ["Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"] as const;
export type Behavior = typeof BEHAVIORS[number];

/** Throws InputError at `where`. */
export function behaviorOf(value: unknown, where: string): Behavior {
  const found = BEHAVIORS.find((behavior) => behavior === value);
  if (found) return found;
  throw new InputError(`behavior is ${JSON.stringify(value)}`, where, `use one of: ${BEHAVIORS.join(", ")}`);
}

interface Part {
  readonly start: number;
  readonly end: number;
  readonly isMatch: boolean;
}

/** Matches, and what lies between them; inverted, the one is the other. */
function partsOf(length: number, matches: readonly number[], isInverted: boolean): readonly Part[] {
  const parts: Part[] = [];
  let at = 0;
  for (let index = 0; index < matches.length; index += 2) {
    const [start, end] = [matches[index]!, matches[index + 1]!];
    if (start > at) parts.push({ start: at, end: start, isMatch: isInverted });
    parts.push({ start, end, isMatch: !isInverted });
    at = end;
  }
  if (at < length) parts.push({ start: at, end: length, isMatch: isInverted });
  return parts;
}

/** Cuts a piece at matches: start and end of each, one after the other. Empty parts vanish. */
export function cut(
  piece: Piece,
  matches: readonly number[],
  behavior: Behavior,
  isInverted = false,
): readonly Piece[] {
  const { text, isFirst } = piece;
  const parts = partsOf(text.length, matches, isInverted);
  if (parts.length === 1 && behavior !== "Removed") return [piece];
  return joined(parts, behavior)
    .map(({ start, end }) => ({ text: text.slice(start, end), isFirst: isFirst && start === 0 }))
    .filter((one) => one.text !== "");
}

function joined(parts: readonly Part[], behavior: Behavior): readonly Part[] {
  if (behavior === "Isolated") return parts;
  if (behavior === "Removed") return parts.filter(({ isMatch }) => !isMatch);
  const forward = behavior !== "MergedWithNext";
  const result: Part[] = [];
  let wasMatch = false;
  for (const part of forward ? parts : parts.toReversed()) {
    const last = result.at(-1);
    // Contiguous joins what is alike; the others join a match to what is none.
    const joins = behavior === "Contiguous" ? part.isMatch === last?.isMatch : part.isMatch && !wasMatch;
    if (last && joins) {
      const [start, end] = forward ? [last.start, part.end] : [part.start, last.end];
      result[result.length - 1] = { start, end, isMatch: part.isMatch };
    } else result.push(part);
    wasMatch = part.isMatch;
  }
  return forward ? result : result.toReversed();
}
