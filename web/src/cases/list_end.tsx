/** @jsxImportSource preact */
/** The end of what was read of a list: the way to the next page, and what went wrong on it. */
import { Trouble } from "../shell/notice.tsx";
import { type Found, foundText } from "./found.ts";
import type { Pages } from "./use_pages.ts";

export function ListEnd({ list, total }: { readonly list: Pages<unknown>; readonly total: Found }) {
  return (
    <>
      {list.error === undefined ? null : <Trouble error={list.error} />}
      {list.atEnd ? null : (
        <div class="more">
          <button type="button" disabled={list.loading} onClick={list.load}>
            {list.loading ? "Loading" : "Load more"}
          </button>
          <span class="quiet number">
            {`${list.count.toLocaleString("en")} of ${foundText(total)}`}
          </span>
        </div>
      )}
    </>
  );
}
