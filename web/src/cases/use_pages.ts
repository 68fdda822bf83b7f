/** The case list page by page: the first comes with the filter, the others as the reader gets there. */
import { useEffect, useRef, useState } from "preact/hooks";
import { RequestError } from "../shell/client.ts";
import { type CaseLine, type CasePage, readCasePage } from "./read_cases.ts";
import type { CasesRoute } from "../shell/route.ts";

interface More {
  readonly pages: readonly (readonly CaseLine[])[];
  /** Cursor after the last page; null at the end. */
  readonly after: string | null;
  readonly error?: RequestError;
}

export interface Pages {
  readonly pages: readonly (readonly CaseLine[])[];
  readonly count: number;
  readonly atEnd: boolean;
  readonly loading: boolean;
  readonly error: RequestError | undefined;
  readonly load: () => Promise<void>;
}

/** The pages after `first` are kept for as long as the filter and the first page stay the same. */
export function usePages(route: CasesRoute, first: CasePage | undefined): Pages {
  const [more, setMore] = useState<More>();
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
      const page = await readCasePage(route, after);
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
