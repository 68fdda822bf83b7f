/** @jsxImportSource preact */
/** A chunk of the text: chips where the reader is near, else the same text bare, which can be found and selected. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { View } from "./heat_value.ts";
import type { Token } from "./documents.ts";
import type { Heat } from "./read_case.ts";
import { signed } from "./relevance.ts";
import { chipId, TokenChip } from "./token_chip.tsx";
import type { Folded } from "../../../figures/folds.ts";
import type { UnitNames } from "../../../figures/units.ts";
import type { TextChunk } from "./token_chunks.ts";

/** Tokens that are folded away, as one thing among the tokens. Their text is there: a browser that finds it opens them. */
function Fold(props: {
  readonly tokens: readonly Token[];
  readonly fold: Folded;
  readonly prefix: string;
  readonly active: boolean;
  readonly names: UnitNames;
  readonly onOpen: (position: number) => void;
}) {
  const { tokens, fold: { from, to, sum }, prefix, active, names, onOpen } = props;
  const text = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const open = () => onOpen(from);
    text.current?.addEventListener("beforematch", open);
    return () => text.current?.removeEventListener("beforematch", open);
  }, [from, onOpen]);
  const count = `${(to - from).toLocaleString("en")} ${names[1]}`;
  const words = sum === undefined ? count : `${count}, sum ${signed(sum)}`;
  return (
    <div class="chunk" data-chunk={from}>
      <span
        id={chipId(prefix, from)}
        role="option"
        aria-selected={active}
        aria-label={`${words}, folded away: Enter shows them`}
        class={active ? "fold active" : "fold"}
        data-position={from}
        data-count={to - from}
        data-sum={sum}
      >
        {`⋯ ${words} ⋯`}
      </span>
      <div ref={text} hidden="until-found">{tokens.slice(from, to).map(({ text }) => text).join("")}</div>
    </div>
  );
}

export function TokenChunk(props: {
  readonly tokens: readonly Token[];
  readonly chunk: TextChunk;
  readonly near: boolean;
  readonly heat: Heat | undefined;
  readonly view: View;
  readonly active: number | null;
  readonly prefix: string;
  readonly names: UnitNames;
  readonly onOpen: (position: number) => void;
  /** Tokens of the whole text, where not all of them are chips. */
  readonly total: number | undefined;
  /** What stands after the last token. */
  readonly after: ComponentChildren;
}) {
  const { tokens, chunk: { from, to, folded }, near, heat, view, active, prefix, total, after } = props;
  if (folded !== undefined) {
    const { names, onOpen } = props;
    return (
      <Fold tokens={tokens} fold={folded} prefix={prefix} active={active === from} names={names} onOpen={onOpen} />
    );
  }
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
