/** A list page by page: the first comes with the filter, the others as the reader gets there. */
import { useEffect, useRef, useState } from "preact/hooks";
import { RequestError } from "../shell/client.ts";
import type { PageInfo } from "./documents.ts";
import type { Found } from "./found.ts";

export interface ListPage<Line> {
  readonly lines: readonly Line[];
  /** Lines of all pages. */
  readonly total: Found;
  readonly info: PageInfo;
}

interface More<Line> {
  readonly pages: readonly (readonly Line[])[];
  /** Cursor after the last page; null at the end. */
  readonly after: string | null;
  readonly error?: RequestError;
}

export interface Pages<Line> {
  readonly pages: readonly (readonly Line[])[];
  readonly count: number;
  readonly atEnd: boolean;
  readonly loading: boolean;
  readonly error: RequestError | undefined;
  readonly load: () => Promise<void>;
}

/** The pages after `first` are kept for as long as it stays the same; `read` gives the page after a cursor. */
export function usePages<Line>(
  first: ListPage<Line> | undefined,
  read: (after: string) => Promise<ListPage<Line>>,
): Pages<Line> {
  const [more, setMore] = useState<More<Line>>();
  const [loading, setLoading] = useState(false);
  const turn = useRef(0);
  const busy = useRef(false);
  useEffect(() => {
    turn.current++;
    busy.current = false;
    setMore(undefined);
    setLoading(false);
  }, [first]);
  const after = more !== undefined ? more.after : first?.info.hasNextPage === true ? first.info.endCursor : null;
  const load = async () => {
    if (busy.current || after === null) return;
    const mine = turn.current;
    const pages = more?.pages ?? [];
    busy.current = true;
    setLoading(true);
    try {
      const page = await read(after);
      if (mine !== turn.current) return;
      setMore({ pages: [...pages, page.lines], after: page.info.hasNextPage ? page.info.endCursor : null });
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (mine !== turn.current) return;
      setMore({ pages, after, error });
    }
    busy.current = false;
    setLoading(false);
  };
  const pages = first === undefined ? [] : [first.lines, ...more?.pages ?? []];
  return {
    pages,
    count: pages.reduce((sum, { length }) => sum + length, 0),
    atEnd: after === null,
    loading,
    error: more?.error,
    load,
  };
}
