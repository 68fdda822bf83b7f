/** Marks of a prompt that nobody had to make by hand: those of the benchmark's file, else those of its locator. */
import type { markOriginEnum } from "../../schema/tables/tables.ts";
import type { CheckItem } from "../../schema/tables/values.ts";
import { textHash } from "../base/canonical_hash.ts";
import { locateInstructions, LOCATOR_VERSION } from "./locate.ts";

export type MarkOrigin = (typeof markOriginEnum.enumValues)[number];

/** A phrase of a prompt, and the place of the instruction that it states; null where that is not known. */
export interface Mark {
  readonly phrase: string;
  readonly instruction: number | null;
}

export interface FoundMarks {
  readonly origin: Exclude<MarkOrigin, "person">;
  /** Of what found them; null for a file's. */
  readonly version: string | null;
  readonly marks: readonly Mark[];
}

/** The marks of a file where it has any, else what the item's locator finds; null where neither has one. */
export function foundMarks(filePhrases: readonly string[], item: CheckItem | null): FoundMarks | null {
  if (filePhrases.length > 0) {
    return { origin: "file", version: null, marks: filePhrases.map((phrase) => ({ phrase, instruction: null })) };
  }
  if (item?.kind !== "ifeval") return null;
  const marks = locatedMarks(item);
  return marks.length === 0 ? null : { origin: "locator", version: LOCATOR_VERSION, marks };
}

/** Items come again with every model and sample: what was found is kept for so many of them. */
const KEPT_ITEMS = 1000;
const kept = new Map<string, readonly Mark[]>();

function locatedMarks(item: Extract<CheckItem, { readonly kind: "ifeval" }>): readonly Mark[] {
  const name = JSON.stringify([item.prompt, item.instruction_id_list, item.kwargs]);
  const known = kept.get(name);
  if (known) return known;
  const marks = locateInstructions(item).flatMap(({ index, phrases }) =>
    phrases.map((phrase) => ({ phrase, instruction: index }))
  );
  if (kept.size >= KEPT_ITEMS) kept.clear();
  kept.set(name, marks);
  return marks;
}

/** The instruction of each phrase, as it is stored; null where any is not known. */
export function instructionsOf(marks: readonly Mark[]): number[] | null {
  const places = marks.map(({ instruction }) => instruction);
  return places.length > 0 && places.every((place) => place !== null) ? places : null;
}

/** Origin and version, as they are stored. */
export function originOf(found: Pick<FoundMarks, "origin" | "version"> | null) {
  return { marksOrigin: found?.origin ?? null, marksVersion: found?.version ?? null };
}

/** The marks that count: a person's before all others; their version is a hash of what the person made. Column names as in the tables that keep them. */
export function countingMarks(
  { editedSegments, marksOrigin, marksVersion }: {
    readonly editedSegments: string | null;
    readonly marksOrigin: MarkOrigin | null;
    readonly marksVersion: string | null;
  },
): { readonly marksOrigin: MarkOrigin | null; readonly marksVersion: string | null } {
  return editedSegments === null
    ? { marksOrigin, marksVersion }
    : { marksOrigin: "person", marksVersion: textHash(editedSegments).slice(0, 8) };
}

/** As files and reports write it: "locator/1", "file", "none". */
export function marksName(origin: MarkOrigin | null, version: string | null): string {
  return origin === null ? "none" : version === null ? origin : `${origin}/${version}`;
}
