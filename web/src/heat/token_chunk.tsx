/** @jsxImportSource preact */
/** A chunk of the text: chips where the reader is near, else the same text bare, which can be found and selected. */
import type { ComponentChildren } from "preact";
import type { View } from "./heat_value.ts";
import type { Token } from "./documents.ts";
import type { Heat } from "./read_case.ts";
import { TokenChip } from "./token_chip.tsx";
import type { Chunk } from "./token_chunks.ts";

export function TokenChunk(props: {
  readonly tokens: readonly Token[];
  readonly chunk: Chunk;
  readonly near: boolean;
  readonly heat: Heat | undefined;
  readonly view: View;
  readonly active: number | null;
  readonly prefix: string;
  /** Tokens of the whole text, where not all of them are chips. */
  readonly total: number | undefined;
  /** What stands after the last token. */
  readonly after: ComponentChildren;
}) {
  const { tokens, chunk: { from, to }, near, heat, view, active, prefix, total, after } = props;
  const part = tokens.slice(from, to);
  return (
    <div class="chunk" data-chunk={from} aria-hidden={near ? undefined : "true"}>
      {near
        ? part.map((token) => (
          <TokenChip
            key={token.position}
            prefix={prefix}
            token={token}
            total={total}
            heat={heat}
            view={view}
            active={token.position === active}
          />
        ))
        : part.map(({ text }) => text).join("")}
      {after}
    </div>
  );
}
