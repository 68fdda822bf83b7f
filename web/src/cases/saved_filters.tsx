/** @jsxImportSource preact */
/** Filters by name: the address of the list, kept under a name in this browser. */
import { useState } from "preact/hooks";
import { type NamedFilter, readFilters, storeFilters, withFilter } from "./named_filters.ts";
import { type CasesRoute, formatRoute } from "../shell/route.ts";

export function SavedFilters({ route, filtered }: {
  readonly route: CasesRoute;
  /** Whether there is anything to save. */
  readonly filtered: boolean;
}) {
  const [filters, setFilters] = useState(readFilters);
  const [name, setName] = useState<string>();
  const [trouble, setTrouble] = useState(false);
  const keep = (next: readonly NamedFilter[]) => {
    setTrouble(!storeFilters(next));
    setFilters(next);
  };
  const here = formatRoute(route);
  const known = filters.some((filter) => formatRoute(filter.route) === here);
  if (filters.length === 0 && !filtered) return null;
  return (
    <div class="saved-filters small">
      {filters.length === 0 ? null : (
        <ul aria-label="Saved filters">
          {filters.map((filter) => (
            <li key={filter.name}>
              <a
                href={formatRoute(filter.route)}
                {...(formatRoute(filter.route) === here ? { "aria-current": "true" } : {})}
              >
                {filter.name}
              </a>
              <button
                type="button"
                class="link"
                aria-label={`Remove the filter ${filter.name}`}
                onClick={() => keep(filters.filter((other) => other !== filter))}
              >
                ×
              </button>
            </li>
          ))}
        </ul>
      )}
      {!filtered || known
        ? null
        : name === undefined
        ? <button type="button" class="link" onClick={() => setName("")}>Save this filter</button>
        : (
          <form
            onSubmit={(event) => {
              event.preventDefault();
              if (name.trim() === "") return;
              keep(withFilter(filters, { name: name.trim(), route }));
              setName(undefined);
            }}
          >
            <input
              type="text"
              aria-label="Name of the filter"
              maxLength={60}
              autocomplete="off"
              ref={(input) => {
                if (input?.value === "") input.focus();
              }}
              value={name}
              onInput={({ currentTarget }) => setName(currentTarget.value)}
            />
            <button type="submit" disabled={name.trim() === ""}>Save</button>
            <button type="button" class="link" onClick={() => setName(undefined)}>Cancel</button>
          </form>
        )}
      {trouble ? <p role="alert">The browser does not keep it beyond this visit.</p> : null}
    </div>
  );
}
