/** How one value of the page's state stands in the address: read, written, and what it is when it is left out. */

export interface Field<Value> {
  /** In the address. */
  readonly name: string;
  readonly usual: Value;
  /** Undefined where the text is none of its values. */
  readonly read: (text: string) => Value | undefined;
  readonly write: (value: Value) => string;
}

// deno-lint-ignore no-explicit-any -- a table of fields of any values; `StateOf` gives each its own.
export type Fields = Readonly<Record<string, Field<any>>>;
export type StateOf<Table extends Fields> = { readonly [Key in keyof Table]: Table[Key]["usual"] };

export const text = (name: string): Field<string> => ({
  name,
  usual: "",
  read: (given) => given,
  write: (value) => value,
});

/** A text of a form. */
export const pattern = (name: string, form: RegExp): Field<string> => ({
  ...text(name),
  read: (given) => form.test(given) ? given : undefined,
});

export const choice = <Choice extends string>(
  name: string,
  choices: readonly Choice[],
  usual: Choice,
): Field<Choice> => ({
  name,
  usual,
  read: (given) => choices.find((one) => one === given),
  write: (value) => value,
});

export const flag = (name: string, usual: boolean): Field<boolean> => ({
  name,
  usual,
  read: (given) => given === "yes" ? true : given === "no" ? false : undefined,
  write: (value) => value ? "yes" : "no",
});

const wholeOf = (given: string, most: number): number | undefined =>
  /^\d{1,9}$/.test(given) && Number(given) <= most ? Number(given) : undefined;

/** A whole number from 0 on. */
export const whole = <Usual extends number | null>(
  name: string,
  usual: Usual,
  most = 999_999,
): Field<number | Usual> => ({
  name,
  usual,
  read: (given) => wholeOf(given, most),
  write: String,
});

export const number = (name: string): Field<number | null> => ({
  name,
  usual: null,
  read: (given) => given.trim() === "" || !Number.isFinite(Number(given)) ? undefined : Number(given),
  write: String,
});

/** Whole numbers in an order that counts, none twice. */
export const wholes = (name: string): Field<readonly number[]> => ({
  name,
  usual: [],
  read: (given) => {
    const found = given.split(".").map((one) => wholeOf(one, 999_999));
    return found.every((one) => one !== undefined) && new Set(found).size === found.length ? found : undefined;
  },
  write: (values) => values.join("."),
});

/** What an address says, and one line for each value that it does not understand. */
export interface ReadState<State> {
  readonly state: State;
  readonly troubles: readonly string[];
}

const shown = (value: string): string => JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);

/** Values that are wrong, and names that mean nothing here, fall back to what is usual. */
export function readState<Table extends Fields>(fields: Table, query: URLSearchParams): ReadState<StateOf<Table>> {
  const troubles: string[] = [];
  const known = Object.entries(fields).map(([key, { name, usual, read, write }]) => {
    const given = query.get(name);
    const value = given === null ? usual : read(given);
    if (value !== undefined) return [key, value];
    const instead = usual === null || write(usual) === "" ? "it is left out" : `${write(usual)} is shown`;
    troubles.push(`The address has ${shown(given ?? "")} for ${shown(name)}, which is none of its values; ${instead}.`);
    return [key, usual];
  });
  const names = new Set(Object.values(fields).map(({ name }) => name));
  for (const name of new Set(query.keys())) {
    if (!names.has(name)) troubles.push(`The address says ${shown(name)}, which means nothing here.`);
  }
  return { state: Object.fromEntries(known) as StateOf<Table>, troubles };
}

/** What differs from the usual, in the order of the table. */
export function writeState<Table extends Fields>(fields: Table, state: StateOf<Table>): URLSearchParams {
  const query = new URLSearchParams();
  for (const [key, { name, usual, write }] of Object.entries(fields)) {
    const value = state[key];
    if (value === null || value === undefined) continue;
    const written = write(value);
    if (usual === null || written !== write(usual)) query.set(name, written);
  }
  return query;
}

/** The state in which everything is as usual. */
export function usualState<Table extends Fields>(fields: Table): StateOf<Table> {
  return readState(fields, new URLSearchParams()).state;
}
