/** @jsxImportSource preact */
/** One filter of the rail: its choices as links, each with the number of cases behind it. */
import { formatRoute, type Route } from "../shell/route.ts";

export interface FacetOption {
  readonly name: string;
  readonly title?: string | undefined;
  /** Undefined where nobody counts. */
  readonly count?: number | undefined;
  readonly here: boolean;
  /** The list with it; without it where it holds already. */
  readonly to: Route;
}

export function Facet({ title, options }: { readonly title: string; readonly options: readonly FacetOption[] }) {
  if (options.length === 0) return null;
  return (
    <section class="facet" aria-label={title}>
      <h2>{title}</h2>
      <ul>
        {options.map(({ name, title, count, here, to }) => (
          <li key={name}>
            {count === 0 && !here
              ? <span class="quiet">{name}</span>
              : (
                <a href={formatRoute(to)} title={title} {...(here ? { "aria-current": "true" } : {})}>
                  {name}
                  {here ? <span class="unseen">, chosen: leave it out</span> : null}
                </a>
              )}
            {count === undefined ? null : <span class="number quiet">{count.toLocaleString("en")}</span>}
          </li>
        ))}
      </ul>
    </section>
  );
}
