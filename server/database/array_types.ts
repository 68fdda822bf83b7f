/**
 * How columns of arrays are read and written from a connection's first statement on. The driver asks the database for
 * its array types as it connects; under Deno the first rows may arrive before that answer is taken in, and an array is
 * a text then ("{1,2}"). Types that are given beforehand are not asked for.
 */
import type postgres from "postgres";

const NULL = "NULL";

/** The elements of a one-dimensional array of texts as PostgreSQL writes it. */
function readTexts(written: string): readonly (string | null)[] {
  const elements = written.slice(1, -1).matchAll(/"((?:[^"\\]|\\.)*)"|[^,]+/gs);
  return Array.from(elements, ([whole, quoted]) => {
    if (quoted !== undefined) return quoted.replaceAll(/\\(.)/gs, "$1");
    return whole === NULL ? null : whole;
  });
}

function readNumbers(written: string): readonly (number | null)[] {
  if (written === "{}") return [];
  return written.slice(1, -1).split(",").map((element) => element === NULL ? null : Number(element));
}

const quote = (text: string): string => `"${text.replaceAll(/["\\]/g, "\\$&")}"`;

const write = (element: unknown): string => {
  if (element === null || element === undefined) return NULL;
  return typeof element === "string" ? quote(element) : `${element}`;
};

/** `oid`: the type's number in PostgreSQL's catalogue (pg_type.dat). */
const arrayType = <Element>(
  oid: number,
  parse: (written: string) => readonly (Element | null)[],
): postgres.PostgresType => ({
  to: oid,
  from: [oid],
  // Drizzle hands some arrays over as they shall be sent.
  serialize: (value: unknown) => Array.isArray(value) ? `{${value.map(write).join(",")}}` : value,
  parse,
});

/** Types of all array columns, and of the arrays that statements bring or ask for, by PostgreSQL's names. */
export const ARRAY_TYPES: Readonly<Record<string, postgres.PostgresType>> = {
  "integer[]": arrayType(1007, readNumbers),
  "text[]": arrayType(1009, readTexts),
  "uuid[]": arrayType(2951, readTexts),
  "double precision[]": arrayType(1022, readNumbers),
};
