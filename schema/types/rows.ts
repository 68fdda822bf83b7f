/** A row that must be there: a missing one is a bug, not an answer. */
export function found<Row>(row: Row | undefined): Row {
  if (row === undefined) throw new Error("A row that was just written cannot be read");
  return row;
}

/** The id of a row for `node`, as the relay plugin writes it. */
export const globalId = (type: string, id: number): string => btoa(`${type}:${id}`);
