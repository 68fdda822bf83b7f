/**
 * A record may take its process down: then the import is tried again, and goes on record by record until the one that does
 * it is known. That one is reported as a line like any other that cannot be read; all others land.
 */
import { InputError } from "../../gpu/mod.ts";
import type { ImportPlace } from "../../schema/tables/values.ts";
import type { TextRecord } from "./records.ts";

/** Records that are read alone after an attempt ended without a word: those of the batch that it was at. */
const ALONE_RECORDS = 100;
/** How often a record may take its process down while it is read alone. Others kill processes too, but seldom at one record. */
const MOST_DOWNS = 2;

/** What is kept beside the import, so that the next attempt knows where the last one was. */
export interface PlaceKeeper {
  /** Where the attempt before was; undefined at the first. */
  readonly before: ImportPlace | undefined;
  readonly note: (place: ImportPlace) => Promise<void>;
}

export interface Care {
  /** Whether records are read alone now. */
  readonly alone: () => boolean;
  /** Called before records are read: an error for one that took its process down before. */
  readonly begin: (batch: readonly TextRecord[], at: number) => Promise<InputError | undefined>;
}

/** The care that an attempt takes which begins at a place. */
export async function takeCare(keeper: PlaceKeeper | undefined, start: number): Promise<Care> {
  if (keeper === undefined) return { alone: () => false, begin: () => Promise.resolve(undefined) };
  const { before, note } = keeper;
  const again = before?.at === start ? before.alone + 1 : 0;
  let left = again > 0 ? ALONE_RECORDS : 0;
  await note({ at: start, alone: again });
  return {
    alone: () => left > 0,
    begin: async ([record], at) => {
      if (left === 0) return undefined;
      left--;
      if (at !== start) await note({ at, alone: 1 });
      else if (again > MOST_DOWNS) {
        return new InputError(
          `reading it took its process down ${MOST_DOWNS} times`,
          record!.where,
          "leave it out, and tell us of it",
        );
      }
      return undefined;
    },
  };
}

/** PostgreSQL's codes for values that it cannot store, and for those that are too large or too deep for it. */
const VALUE_CODES = /^(?:22|54)/;

/**
 * What is wrong with a record when reading or storing it failed unexpectedly; undefined when that says nothing about the
 * record.
 */
export function faultOf(error: unknown, where: string): InputError | undefined {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = (cause as { readonly code?: unknown }).code;
  if (code === "22003") {
    return new InputError("a number is out of range", where, "give whole numbers of at most 2147483647");
  }
  const ofRecord = cause instanceof RangeError || cause instanceof TypeError ||
    typeof code === "string" && VALUE_CODES.test(code);
  if (!ofRecord) return undefined;
  const said = (cause as Error).message.replaceAll(/\s+/g, " ").slice(0, 200);
  return new InputError(`it cannot be stored: ${said}`, where, "correct it, or leave it out");
}
