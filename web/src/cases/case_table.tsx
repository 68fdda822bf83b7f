/// <reference lib="dom" />
/** @jsxImportSource preact */
/**
 * The table of cases, any number of them: pages of rows that are far from the reader are one empty row of their height.
 * The next page is read when the end comes near, or by a button.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import { CaseRow } from "./case_row.tsx";
import type { Found } from "./found.ts";
import { ListEnd } from "./list_end.tsx";
import type { CaseLine } from "./read_cases.ts";
import type { Pages } from "./use_pages.ts";
import { Term } from "../shell/term.tsx";
import { useNear } from "../heat/use_near.ts";

/** Pixels before the end of the list at which its next page is read. */
const AHEAD = 800;
/** Pixels of a page that was never measured. */
const USUAL_HEIGHT = 1600;
const COLUMNS = 7;

/** Calls `load` whenever the element that is returned comes near the window. */
function useArrival(load: () => void, turn: unknown) {
  const end = useRef<HTMLDivElement>(null);
  const latest = useRef(load);
  latest.current = load;
  useEffect(() => {
    if (end.current === null) return;
    const observer = new IntersectionObserver(
      (entries) => entries.some(({ isIntersecting }) => isIntersecting) && latest.current(),
      { rootMargin: `${AHEAD}px 0px` },
    );
    observer.observe(end.current);
    return () => observer.disconnect();
  }, [turn]);
  return end;
}

export function CaseTable({ list, total, busy }: {
  readonly list: Pages<CaseLine>;
  /** Rows in all, those that were not read included. */
  readonly total: Found;
  readonly busy: boolean;
}) {
  const { pages } = list;
  const table = useRef<HTMLTableElement>(null);
  /** The page that has the focus: it stays, or the focus would be lost. */
  const [focused, setFocused] = useState(-1);
  const { isNear, heightOf } = useNear(table, {
    selector: "tbody",
    parts: pages.length,
    root: "window",
    windowed: pages.length > 2,
  });
  // After trouble the reader decides when to try again.
  const end = useArrival(() => list.error === undefined && list.load(), pages.length);
  let first = 0;
  return (
    <>
      <table
        ref={table}
        class="cases"
        aria-busy={busy}
        aria-rowcount={total.isAll ? total.count + 1 : -1}
        onFocusIn={({ target }) => {
          const part = target instanceof Element ? target.closest("tbody") : null;
          setFocused(part === null ? -1 : Number(part.getAttribute("data-page")));
        }}
      >
        <caption class="unseen">Failure cases</caption>
        <thead>
          <tr aria-rowindex={1}>
            <th scope="col">Case</th>
            <th scope="col" class="before">Text before the error</th>
            <th scope="col">
              <Term of="target" />
            </th>
            <th scope="col">
              <Term of="contrast" />
            </th>
            <th scope="col" class="number">
              <Term of="delta" />
            </th>
            <th scope="col">
              <Term of="pattern" />
            </th>
            <th scope="col">
              <Term of="relevance">Strongest</Term>
            </th>
          </tr>
        </thead>
        {pages.map((lines, index) => {
          const from = first;
          first += lines.length;
          return isNear(index) || index === focused
            ? (
              <tbody key={index} data-page={index}>
                {lines.map((line, at) => <CaseRow key={line.id} line={line} row={from + at + 2} />)}
              </tbody>
            )
            : (
              <tbody key={index} data-page={index} class="away" aria-hidden="true">
                <tr>
                  <td colSpan={COLUMNS} style={{ height: `${heightOf(index) ?? USUAL_HEIGHT}px` }} />
                </tr>
              </tbody>
            );
        })}
      </table>
      <div ref={end}>
        <ListEnd list={list} total={total} />
      </div>
    </>
  );
}
