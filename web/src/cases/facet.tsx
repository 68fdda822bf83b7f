/** @jsxImportSource preact */
/** One filter of the rail: its choices as links, each with the number of cases behind it. */
import { formatRoute, type Route } from "../shell/route.ts";
import { Term, type TermName, termOf } from "../shell/term.tsx";

export interface FacetOption {
  readonly name: string;
  readonly title?: string | undefined;
  /** What it is in the glossary; stands for the title. */
  readonly term?: TermName;
  /** Undefined where nobody counts. */
  readonly count?: number | undefined;
  readonly here: boolean;
  /** The list with it; without it where it holds already. */
  readonly to: Route;
}

export function Facet({ title, term, options }: {
  readonly title: string;
  /** What the title is in the glossary. */
  readonly term?: TermName;
  readonly options: readonly FacetOption[];
}) {
  if (options.length === 0) return null;
  return (
    <section class="facet" aria-label={title}>
      <h2>{term === undefined ? title : <Term of={term}>{title}</Term>}</h2>
      <ul>
        {options.map(({ name, title, term, count, here, to }) => (
          <li key={name}>
            {count === 0 && !here ? <span class="quiet" data-term={term}>{name}</span> : (
              <a
                href={formatRoute(to)}
                title={title}
                {...termOf(term)}
                {...(here ? { "aria-current": "true" } : {})}
              >
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
