/** Which two members of which study are compared, in the address: NAME~ACROSS~UP, with commas between studies. */
import type { Field } from "./address_field.ts";

export interface StudyPick {
  readonly study: string;
  /** Labels of members. */
  readonly x: string;
  readonly y: string;
}

const read = (given: string): readonly StudyPick[] | undefined => {
  try {
    const picks = given.split(",").map((one) => one.split("~").map(decodeURIComponent));
    if (picks.some((parts) => parts.length !== 3)) return undefined;
    return picks.map(([study, x, y]) => ({ study: study!, x: x!, y: y! }));
  } catch {
    return undefined;
  }
};

/** A part without the two signs that part them. */
const part = (value: string): string => encodeURIComponent(value).replaceAll("~", "%7E");

export const studyPicks = (name: string): Field<readonly StudyPick[]> => ({
  name,
  usual: [],
  read,
  write: (picks) => picks.map(({ study, x, y }) => [study, x, y].map(part).join("~")).join(","),
});
