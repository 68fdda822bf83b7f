/** @jsxImportSource preact */
/** What the page says while it has nothing to show. */
import type { ComponentChildren } from "preact";
import type { RequestError } from "./client.ts";
import { TokenForm } from "./token_form.tsx";

export function Waiting({ what }: { readonly what: string }) {
  return (
    <p class="notice quiet" role="status">
      <span class="waiting">Loading {what}</span>
    </p>
  );
}

export function Trouble({ error, onRetry }: { readonly error: RequestError; readonly onRetry?: () => void }) {
  if (error.kind === "token") return <TokenForm />;
  const away = error.kind !== "refused";
  return (
    <div class="notice bad" role="alert">
      <h2>{away ? "The server is away" : "This did not work"}</h2>
      <p>{error.message}</p>
      {away
        ? (
          <p class="quiet">
            Start it with <code>npm start</code>. The page asks again by itself.
          </p>
        )
        : null}
      {onRetry === undefined || away ? null : <button type="button" onClick={onRetry}>Try again</button>}
    </div>
  );
}

export function Empty({ title, children }: { readonly title: string; readonly children: ComponentChildren }) {
  return (
    <section class="notice">
      <h2>{title}</h2>
      {children}
    </section>
  );
}
