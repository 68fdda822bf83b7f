/** A row that must be there: a missing one is a bug, not an answer. */
export function found<Row>(row: Row | undefined): Row {
  if (row === undefined) throw new Error("A row that was just written cannot be read");
  return row;
}
