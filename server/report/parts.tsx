/** @jsxImportSource preact */
/** Parts of the report's page. Text from data is only ever text: Preact escapes it. */
import type { ComponentChildren } from "preact";
import { type Drawing, Picture } from "../../figures/picture.tsx";
import { shownToken } from "../../figures/token_text.ts";

/** A table: the first column is text, the others are numbers. */
export function Table({ head, rows }: {
  readonly head: readonly string[];
  readonly rows: readonly (readonly ComponentChildren[])[];
}) {
  const number = (index: number) => index === 0 ? {} : { class: "n" };
  return (
    <div class="wide">
      <table>
        <thead>
          <tr>{head.map((cell, index) => <th key={index} {...number(index)}>{cell}</th>)}</tr>
        </thead>
        <tbody>
          {rows.map((cells, row) => (
            <tr key={row}>{cells.map((cell, index) => <td key={index} {...number(index)}>{cell}</td>)}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A figure with what it says below: its own note, then more. */
export function Figure({ drawing, children }: { readonly drawing: Drawing; readonly children?: ComponentChildren }) {
  return (
    <figure>
      <Picture drawing={drawing} />
      <figcaption>{drawing.note}{children === undefined ? null : <>{" "}{children}</>}</figcaption>
    </figure>
  );
}

/** What stands where there is nothing to show. */
export function Missing({ what, mend }: { readonly what: string; readonly mend: string }) {
  return (
    <p class="missing">
      {what} <code>{mend}</code>
    </p>
  );
}

/** A wrong or a right token. */
export const Token = ({ text }: { readonly text: string }) => <b>{shownToken(text)}</b>;
