/** @jsxImportSource preact */
/**
 * Prompt and completion as tokens in reading order. A long case shows one page of tokens at a time.
 * One tab stop: arrow keys walk the tokens, Home and End go to the ends of the page.
 */
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { View } from "./heat_value.ts";
import type { Token } from "./operations/case.ts";
import { Overview } from "./overview.tsx";
import type { Heat } from "./read_case.ts";
import { chipId, TokenChip } from "./token_chip.tsx";
import { TokenTip } from "./token_tip.tsx";

/** Most tokens in the document at a time. */
const PAGE = 3000;
/** With more tokens the text scrolls in a box of its own, so that legend and numbers stay near. */
const TALL = 800;

function positionOf(target: EventTarget | null): number | null {
  const chip = target instanceof Element ? target.closest("[data-position]") : null;
  return chip === null ? null : Number(chip.getAttribute("data-position"));
}

/** The token one line up or down that is nearest sideways. */
function neighbour(position: number, step: 1 | -1, first: number, last: number): number {
  const here = document.getElementById(chipId(position))?.getBoundingClientRect();
  let best = position;
  let bestLine: number | undefined;
  let bestDistance = Infinity;
  for (let next = position + step; here !== undefined && next >= first && next <= last; next += step) {
    const there = document.getElementById(chipId(next))?.getClientRects()[0];
    if (there === undefined || (there.top - here.top) * step < here.height / 2) continue;
    bestLine ??= there.top;
    if (Math.abs(there.top - bestLine) > here.height / 2) break;
    const distance = Math.abs(there.left - here.left);
    if (distance < bestDistance) [best, bestDistance] = [next, distance];
  }
  return best;
}

export function TokenFlow(props: {
  readonly tokens: readonly Token[];
  readonly promptTokens: number;
  readonly heat: Heat | undefined;
  readonly view: View;
  /** A position to show and mark; a new object each time somebody asks. */
  readonly asked: { readonly position: number } | undefined;
  /** What stands after the last token. */
  readonly end: ComponentChildren;
}) {
  const { tokens, heat, view } = props;
  const [page, setPage] = useState(0);
  const [active, setActive] = useState<number | null>(null);
  const [tip, setTip] = useState<number | null>(null);
  const box = useRef<HTMLDivElement>(null);
  /** Whether the next active token comes from elsewhere and should stand in the middle of the window. */
  const centred = useRef(false);
  const first = page * PAGE;
  const last = Math.min(tokens.length, first + PAGE) - 1;

  const show = (position: number | null) => {
    setActive(position);
    setTip(position);
  };

  /** Shows a token that was picked elsewhere, in the middle of the window. */
  const visit = (position: number) => {
    setPage(Math.floor(position / PAGE));
    show(position);
    box.current?.focus({ preventScroll: true });
    centred.current = true;
  };

  useEffect(() => {
    if (props.asked !== undefined) visit(props.asked.position);
  }, [props.asked]);

  useEffect(() => {
    if (active === null) return;
    const block = centred.current ? "center" : "nearest";
    centred.current = false;
    document.getElementById(chipId(active))?.scrollIntoView({ block });
  }, [active, page]);

  const onKey = (event: KeyboardEvent) => {
    const here = active ?? first;
    const moves: Readonly<Record<string, () => number>> = {
      ArrowRight: () => active === null ? first : Math.min(last, here + 1),
      ArrowLeft: () => Math.max(first, here - 1),
      ArrowDown: () => neighbour(here, 1, first, last),
      ArrowUp: () => neighbour(here, -1, first, last),
      Home: () => first,
      End: () => last,
    };
    if (event.key === "Escape") setTip(null);
    const move = moves[event.key];
    if (move === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    show(move());
  };

  // A chip that stays the same object is not compared again: pointing at tokens costs two chips, not three thousand.
  const chips = useMemo(
    () =>
      tokens.slice(first, last + 1).map((token) => (
        <TokenChip key={token.position} token={token} heat={heat} view={view} active={false} />
      )),
    [tokens, heat, view.values, view.special, first, last],
  );
  const chip = (position: number) => {
    const token = tokens[position];
    return position === active && token !== undefined
      ? <TokenChip key={position} token={token} heat={heat} view={view} active />
      : chips[position - first];
  };
  const range = (from: number, to: number) =>
    Array.from({ length: Math.max(0, to - from) }, (_, at) => chip(from + at));
  const split = Math.max(first, Math.min(last + 1, props.promptTokens));
  const shown = tip === null ? undefined : tokens[tip];

  return (
    <>
      {tokens.length > PAGE
        ? (
          <div class="pager">
            <button type="button" disabled={page === 0} onClick={() => setPage(page - 1)}>Earlier</button>
            <button type="button" disabled={last === tokens.length - 1} onClick={() => setPage(page + 1)}>Later</button>
            <span class="number" role="status">
              {`Tokens ${first.toLocaleString("en")} to ${last.toLocaleString("en")} of ${
                tokens.length.toLocaleString("en")
              }`}
            </span>
            <Overview
              tokens={tokens}
              heat={heat}
              view={view}
              from={first}
              to={last + 1}
              onPick={visit}
            />
          </div>
        )
        : null}
      <div
        ref={box}
        role="listbox"
        tabIndex={0}
        aria-label="Tokens of prompt and completion, with their relevance"
        aria-describedby={shown === undefined ? undefined : "tip"}
        aria-activedescendant={active === null ? undefined : chipId(active)}
        class={tokens.length > TALL ? "token-flow tall" : "token-flow"}
        onKeyDown={onKey}
        onBlur={() => show(null)}
        onFocus={(event) => {
          if (!event.currentTarget.matches(":focus-visible")) return;
          setActive((old) => old ?? first);
          setTip((old) => old ?? first);
        }}
        onPointerDown={(event) => {
          const position = positionOf(event.target);
          if (position !== null) show(position);
        }}
        onPointerOver={(event) => event.pointerType === "mouse" && setTip(positionOf(event.target) ?? active)}
        onPointerLeave={(event) => event.pointerType === "mouse" && setTip(active)}
      >
        {first < props.promptTokens
          ? (
            <div class="part" role="group" aria-label="Prompt">
              <span class="label" aria-hidden="true">Prompt</span>
              <div class="tokens">{range(first, split)}</div>
            </div>
          )
          : null}
        {last + 1 >= props.promptTokens
          ? (
            <div class="part" role="group" aria-label="Completion before the error">
              <span class="label" aria-hidden="true">Completion before the error</span>
              <div class="tokens">
                {range(split, last + 1)}
                {last === tokens.length - 1 ? props.end : null}
              </div>
            </div>
          )
          : null}
      </div>
      {shown === undefined || shown.position < first || shown.position > last
        ? null
        : <TokenTip token={shown} heat={heat} />}
    </>
  );
}
