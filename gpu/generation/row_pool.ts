/** Rows of a cache that are taken and given back, a run of neighbours at a time. */
export interface RowPool {
  /** The first row of `rows` free neighbours; undefined where there are none. */
  take(rows: number): number | undefined;
  give(first: number, rows: number): void;
}

interface Run {
  readonly first: number;
  readonly rows: number;
}

/** All of `total` rows, free; takes the lowest run that is long enough. */
export function openRowPool(total: number): RowPool {
  // Ascending, no two of them neighbours.
  let free: Run[] = [{ first: 0, rows: total }];
  return {
    take(rows) {
      const at = free.findIndex((run) => run.rows >= rows);
      const run = free[at];
      if (!run) return undefined;
      const rest = { first: run.first + rows, rows: run.rows - rows };
      free.splice(at, 1, ...rest.rows > 0 ? [rest] : []);
      return run.first;
    },
    give(first, rows) {
      const joined: Run[] = [];
      for (const run of [...free, { first, rows }].sort((a, b) => a.first - b.first)) {
        const last = joined.at(-1);
        if (last && last.first + last.rows === run.first) {
          joined[joined.length - 1] = { first: last.first, rows: last.rows + run.rows };
        } else joined.push(run);
      }
      free = joined;
    },
  };
}
