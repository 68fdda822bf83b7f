/** Requests to a hub: who we are, redirects, waiting when asked to, and refusals as one clear line. */
import { InputError, UnavailableError } from "../../errors.ts";
import type { HubReference } from "./reference.ts";
import type { HubSettings } from "./settings.ts";

export interface FetchOptions {
  readonly signal?: AbortSignal | undefined;
  /** Waits; tests bring one that does not. */
  readonly pause?: ((milliseconds: number) => Promise<void>) | undefined;
}

const REDIRECTS = 10;
/** Attempts for what may pass by itself. */
const ATTEMPTS = 5;
/** How long a hub may take to begin its answer, and ask us to wait in all, in milliseconds. */
const ANSWER_MS = 30_000;
const LONGEST_WAIT_MS = 300_000;

export const pauseFor = (milliseconds: number): Promise<void> => new Promise((done) => setTimeout(done, milliseconds));

/** Seconds between attempts: 1, 2, 4 ... */
export const backOffMs = (attempt: number): number => 1000 * 2 ** Math.min(attempt, 5);

/**
 * `fetch` for a reference. Answers other than success, and 416 to a range, are thrown: InputError for what the user can
 * mend, UnavailableError for what they must wait for.
 */
export function hubFetch(settings: HubSettings, reference: HubReference, options: FetchOptions): typeof fetch {
  const { signal, pause = pauseFor } = options;
  return async (input, init = {}) => {
    let waitedMs = 0;
    for (let attempt = 0;; attempt++) {
      signal?.throwIfAborted();
      const response = await follow(settings, new URL(input instanceof Request ? input.url : input), init, signal)
        .catch(
          (error: unknown) => {
            signal?.throwIfAborted();
            if (attempt + 1 < ATTEMPTS) return undefined;
            throw new UnavailableError(
              `${settings.endpoint} cannot be reached (${reasonOf(error)})`,
              reference.text,
              "check the network, or set HF_HUB_OFFLINE=1 to use what is in the cache",
            );
          },
        );
      if (response?.ok || response?.status === 416) return response;
      const mayPass = response === undefined || response.status === 429 || response.status >= 500;
      if (response && (!mayPass || attempt + 1 >= ATTEMPTS)) throw await refusal(settings, reference, response);
      await response?.body?.cancel();
      const asked = waitOf(response?.headers.get("retry-after")) ?? backOffMs(attempt);
      waitedMs += asked;
      if (response && waitedMs > LONGEST_WAIT_MS) throw await refusal(settings, reference, response);
      await pause(asked);
    }
  };
}

function reasonOf(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const text = inner instanceof Error ? inner.message : String(inner);
  return text.replaceAll(/\s+/g, " ").slice(0, 200);
}

/** Milliseconds of a Retry-After: seconds, or a date. */
function waitOf(header: string | null | undefined): number | undefined {
  if (!header) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

/** One request with its redirects. The token goes to the hub itself and to nobody else. */
async function follow(
  { endpoint, token }: HubSettings,
  first: URL,
  init: RequestInit,
  signal: AbortSignal | undefined,
): Promise<Response> {
  const hub = new URL(endpoint).origin;
  let url = first;
  for (let hop = 0; hop <= REDIRECTS; hop++) {
    const headers = new Headers(init.headers);
    headers.delete("authorization");
    if (token !== undefined && url.origin === hub) headers.set("authorization", `Bearer ${token}`);
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new Error("no answer")), ANSWER_MS);
    const signals = AbortSignal.any([late.signal, ...signal ? [signal] : []]);
    const response = await fetch(url, { ...init, headers, redirect: "manual", signal: signals })
      .finally(() => clearTimeout(timer));
    const location = response.headers.get("location");
    if (response.status < 300 || response.status >= 400 || location === null) return response;
    await response.body?.cancel();
    url = new URL(location, url);
    if (!/^https?:$/.test(url.protocol)) throw new Error(`it redirects to ${url.protocol}`);
  }
  throw new Error(`it redirects more than ${REDIRECTS} times`);
}

async function refusal(settings: HubSettings, reference: HubReference, response: Response): Promise<Error> {
  const { endpoint, token } = settings;
  const { text, repository, revision, file } = reference;
  const { status } = response;
  const code = response.headers.get("x-error-code");
  const said = response.headers.get("x-error-message") ?? await response.text().catch(() => "");
  const page = `${endpoint}/${repository}`;
  const getToken = `set HF_TOKEN to a token of ${endpoint}/settings/tokens`;
  if (code === "GatedRepo" || (status === 403 && /restricted|gated|awaiting/i.test(said))) {
    return token === undefined
      ? new InputError("the model is gated: its owners let in who asks", text, `ask at ${page}, then ${getToken}`)
      : new InputError("the model is gated, and the account of HF_TOKEN is not let in", text, `ask at ${page}`);
  }
  if (status === 404 && code === "RevisionNotFound") {
    return new InputError(
      `there is no revision ${revision}`,
      text,
      `name a branch, a tag or a whole commit hash: ${page}/tree/main`,
    );
  }
  if (status === 404 && code === "EntryNotFound") {
    return new InputError(`there is no file ${file ?? "of it"} any more`, text, `look at ${page}/tree/${revision}`);
  }
  if (status === 401 || status === 403 || status === 404) {
    const mend = token === undefined
      ? `check the name; where the model is private, ${getToken}`
      : "check the name, and that HF_TOKEN is valid and may read it";
    return new InputError(`there is no such folder, and no such model on ${endpoint}`, text, mend);
  }
  if (status === 429) {
    const wait = waitOf(response.headers.get("retry-after"));
    const when = wait === undefined ? "later" : `in ${Math.ceil(wait / 1000)} s`;
    const more = token === undefined ? `, or ${getToken}: its limits are higher` : "";
    return new UnavailableError(
      `${endpoint} takes no more requests from here for now`,
      text,
      `try again ${when}${more}`,
    );
  }
  return new UnavailableError(
    `${endpoint} answered with status ${status}`,
    text,
    "try again later; what arrived is kept",
  );
}
