/** Loading with retry: one hook for everything that the page reads. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { RequestError } from "./client.ts";

/** While the server is away it is asked again this often. */
const RETRY_MS = 2000;

export interface Loaded<Data> {
  /** The last data of this key; kept while it is read again. */
  readonly data: Data | undefined;
  readonly error: RequestError | undefined;
  readonly loading: boolean;
  /** Reads again now. */
  readonly reload: () => void;
}

/**
 * Reads whenever `key` changes; null means there is nothing to read.
 * While nobody answers or the server starts, it tries again every two seconds.
 */
export function useLoad<Data>(key: string | null, read: (signal: AbortSignal) => Promise<Data>): Loaded<Data> {
  const [state, setState] = useState<{ key: string | null; data?: Data; error?: RequestError; loading: boolean }>({
    key,
    loading: key !== null,
  });
  const [turn, setTurn] = useState(0);
  const latest = useRef(read);
  latest.current = read;

  useEffect(() => {
    if (key === null) return;
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const attempt = async () => {
      setState((old) =>
        old.key === key && old.data !== undefined
          ? { key, data: old.data, loading: true }
          : { key, loading: true, ...(old.key === key && old.error ? { error: old.error } : {}) }
      );
      try {
        const data = await latest.current(abort.signal);
        if (!abort.signal.aborted) setState({ key, data, loading: false });
      } catch (thrown) {
        if (abort.signal.aborted) return;
        const error = thrown instanceof RequestError ? thrown : new RequestError(String(thrown), "refused");
        setState((old) => ({
          key,
          error,
          loading: false,
          ...(old.key === key && old.data !== undefined ? { data: old.data } : {}),
        }));
        if (error.kind === "unreachable" || error.kind === "starting") timer = setTimeout(attempt, RETRY_MS);
      }
    };
    attempt();
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [key, turn]);

  const reload = useCallback(() => setTurn((old) => old + 1), []);
  const current = state.key === key;
  return {
    data: current ? state.data : undefined,
    error: current ? state.error : undefined,
    loading: key !== null && (!current || state.loading),
    reload,
  };
}
