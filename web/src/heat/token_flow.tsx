/// <reference lib="dom" />
/** @jsxImportSource preact */
/**
 * Prompt and completion as tokens in reading order. Of a long case only the tokens near the reader are chips; the rest
 * is plain text, so that it can be found, selected and copied. One tab stop: arrow keys walk the tokens, Home and End
 * go to the ends.
 */
import type { ComponentChildren, RefObject, VNode } from "preact";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { FlowPlace, tokensInSight } from "./flow_place.tsx";
import type { View } from "./heat_value.ts";
import type { Token } from "./documents.ts";
import type { Heat } from "./read_case.ts";
import { chipId } from "./token_chip.tsx";
import { type Folded, TALL } from "../../../figures/folds.ts";
import { type Span, UNIT_NAMES, type UnitNames } from "../../../figures/units.ts";
import { TokenChunk } from "./token_chunk.tsx";
import { chunkAt, chunkText, seenAt, stepFrom, type TextChunk } from "./token_chunks.ts";
import { TokenTip } from "./token_tip.tsx";
import { selectedText, useNear, useSelected } from "./use_near.ts";

/** Tokens of a chunk, about. */
const CHUNK = 128;

/** Beginnings of chip ids that are in use: texts may stand side by side. */
const prefixes = new Set<string>();

function usePrefix(): string {
  const [prefix] = useState(() => {
    let next = "token";
    for (let count = 2; prefixes.has(next); count++) next = `token${count}`;
    prefixes.add(next);
    return next;
  });
  useEffect(() => () => void prefixes.delete(prefix), []);
  return prefix;
}

function positionOf(target: EventTarget | null): number | null {
  const chip = target instanceof Element ? target.closest("[data-position]") : null;
  return chip === null ? null : Number(chip.getAttribute("data-position"));
}

/** The token or fold one line up or down that is nearest sideways, among those that are elements. */
function neighbour(prefix: string, chunks: readonly TextChunk[], position: number, step: 1 | -1): number {
  const here = document.getElementById(chipId(prefix, position))?.getBoundingClientRect();
  let best = position;
  let bestLine: number | undefined;
  let bestDistance = Infinity;
  for (let at = position; here !== undefined;) {
    const next = stepFrom(chunks, at, step);
    if (next === at) break;
    at = next;
    const chip = document.getElementById(chipId(prefix, next));
    if (chip === null) break;
    const there = chip.getClientRects()[0];
    if (there === undefined || (there.top - here.top) * step < here.height / 2) continue;
    bestLine ??= there.top;
    if (Math.abs(there.top - bestLine) > here.height / 2) break;
    const distance = Math.abs(there.left - here.left);
    if (distance < bestDistance) [best, bestDistance] = [next, distance];
  }
  return best;
}

/** Where a key leads from `here`, the active token or the first in sight; undefined for a key that moves nothing. */
function moveOf(
  { key, ctrlKey, metaKey, altKey }: KeyboardEvent,
  { prefix, chunks, here, isActive }: {
    readonly prefix: string;
    readonly chunks: readonly TextChunk[];
    readonly here: number;
    readonly isActive: boolean;
  },
): number | undefined {
  const moves: Readonly<Record<string, () => number>> = {
    ArrowRight: () => isActive ? stepFrom(chunks, here, 1) : here,
    ArrowLeft: () => stepFrom(chunks, here, -1),
    ArrowDown: () => neighbour(prefix, chunks, here, 1),
    ArrowUp: () => neighbour(prefix, chunks, here, -1),
    Home: () => seenAt(chunks, 0),
    End: () => seenAt(chunks, (chunks.at(-1)?.to ?? 1) - 1),
  };
  return ctrlKey || metaKey || altKey ? undefined : moves[key]?.();
}

/** Copies the tokens' text without the page's signs for spaces and line ends. */
function copyText(event: ClipboardEvent & { readonly currentTarget: HTMLElement }): void {
  const selection = getSelection();
  if (selection === null || selection.isCollapsed || event.clipboardData === null) return;
  if (!event.currentTarget.contains(selection.getRangeAt(0).commonAncestorContainer)) return;
  event.clipboardData.setData("text/plain", selectedText(selection));
  event.preventDefault();
}

/** The token that keys start from, and the one whose tip is shown. */
function useActive(box: RefObject<HTMLElement | null>, prefix: string, asked: FlowProps["asked"]) {
  const [active, setActive] = useState<number | null>(null);
  const [tip, setTip] = useState<number | null>(null);
  /** Whether the next active token comes from elsewhere and should stand in the middle of the window. */
  const centred = useRef(false);
  const show = (position: number | null) => {
    setActive(position);
    setTip(position);
  };
  /** Shows a token that was picked elsewhere, in the middle of the window. */
  const visit = (position: number) => {
    show(position);
    box.current?.focus({ preventScroll: true });
    centred.current = true;
  };
  const showIfNone = (position: number) => {
    setActive((old) => old ?? position);
    setTip((old) => old ?? position);
  };
  useEffect(() => {
    if (asked !== undefined) visit(asked.position);
  }, [asked]);
  useEffect(() => {
    if (active === null) return;
    const block = centred.current ? "center" : "nearest";
    centred.current = false;
    document.getElementById(chipId(prefix, active))?.scrollIntoView({ block });
  }, [active]);
  return { active, tip, setTip, show, showIfNone, visit };
}

/** A folded text opens at its end, where the error is, until the reader goes elsewhere. */
function useOpenAtEnd(box: RefObject<HTMLElement | null>, { folds, heat, asked }: FlowProps) {
  const touched = useRef(false);
  const folded = folds !== undefined;
  useLayoutEffect(() => {
    if (!folded || asked !== undefined || touched.current || box.current === null) return;
    box.current.scrollTop = box.current.scrollHeight;
  }, [folded, heat === undefined]);
  return () => touched.current = true;
}

/** The chunks as nodes; one that stays the same object is not compared again: pointing and scrolling cost what changes. */
function useChunkNodes(
  { tokens, promptTokens, heat, view, end }: FlowProps,
  { chunks, active, prefix, names, onOpen, windowed, isNear }: {
    readonly chunks: readonly TextChunk[];
    readonly active: number | null;
    readonly prefix: string;
    readonly names: UnitNames;
    readonly onOpen: (position: number) => void;
    readonly windowed: boolean;
    readonly isNear: (index: number) => boolean;
  },
) {
  const made = useMemo(() => new Map<string, VNode>(), [chunks, heat, view.values, view.special, end]);
  const activeChunk = active === null ? -1 : chunkAt(chunks, active);
  const split = chunks.findIndex(({ from }) => from >= promptTokens);
  const nodes = chunks.map((chunk, index) => {
    // The active token's chunk and those beside it stay chips wherever the reader scrolls: keys go on from there.
    const near = isNear(index) || (activeChunk >= 0 && Math.abs(index - activeChunk) <= 1);
    const own = index === activeChunk ? active : null;
    const key = `${index} ${near} ${own}`;
    const node = made.get(key) ?? (
      <TokenChunk
        key={chunk.from}
        tokens={tokens}
        chunk={chunk}
        near={near}
        heat={heat}
        view={view}
        active={own}
        prefix={prefix}
        names={names}
        onOpen={onOpen}
        total={windowed ? tokens.length : undefined}
        after={chunk.to === tokens.length && split >= 0 ? end : null}
      />
    );
    if (own === null) made.set(key, node);
    return node;
  });
  return split < 0
    ? { prompt: nodes, completion: end }
    : { prompt: nodes.slice(0, split), completion: nodes.slice(split) };
}

/** A part of the text under its name. */
function Part({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <div class="part" role="group" aria-label={name}>
      <span class="label" aria-hidden="true">{name}</span>
      <div class="tokens">{children}</div>
    </div>
  );
}

interface FlowProps {
  readonly tokens: readonly Token[];
  readonly promptTokens: number;
  readonly heat: Heat | undefined;
  readonly view: View;
  /** What the tokens are: words and sentences are shown as if they were tokens. */
  readonly names?: UnitNames;
  /** Of units that are more than tokens: the tokens of each. */
  readonly spans?: readonly Span[] | undefined;
  /** What of a long text is folded away; undefined where nothing may be. */
  readonly folds?: readonly Folded[] | undefined;
  /** Asks that the fold that holds a position is opened. */
  readonly onOpen?: (position: number) => void;
  /** A position to show and mark; a new object each time somebody asks. */
  readonly asked: { readonly position: number } | undefined;
  /** What stands after the last token. */
  readonly end: ComponentChildren;
}

export function TokenFlow(props: FlowProps) {
  const { tokens, promptTokens, heat, view, folds, names = UNIT_NAMES.tokens, spans } = props;
  const box = useRef<HTMLDivElement>(null);
  const prefix = usePrefix();
  const windowed = tokens.length > TALL;
  const chunks = useMemo(() => {
    const size = windowed ? CHUNK : TALL;
    return [
      ...chunkText(tokens, { from: 0, to: promptTokens }, size, folds ?? []),
      ...chunkText(tokens, { from: promptTokens, to: tokens.length }, size, folds ?? []),
    ];
  }, [tokens, promptTokens, folds]);
  const isFold = (position: number) => chunks[chunkAt(chunks, position)]?.folded !== undefined;
  const latestOpen = useRef(props.onOpen);
  latestOpen.current = props.onOpen;
  const onOpen = useCallback((position: number) => latestOpen.current?.(position), []);
  const touch = useOpenAtEnd(box, props);
  const near = useNear(box, { selector: "[data-chunk]", parts: chunks, root: "box", windowed });
  const selected = useSelected(box, chunks, windowed);
  const { active, tip, setTip, show, showIfNone, visit } = useActive(box, prefix, props.asked);
  const firstInSight = () =>
    seenAt(chunks, windowed && box.current !== null ? tokensInSight(box.current, chunks).from : 0);
  const isNear = (index: number) => near.isNear(index) || selected.includes(index);
  const { prompt, completion } = useChunkNodes(props, { chunks, active, prefix, names, onOpen, windowed, isNear });
  const shown = tip === null || isFold(tip) ? undefined : tokens[tip];
  /** Shows a token wherever it is. */
  const goTo = (position: number) => {
    touch();
    if (isFold(position)) onOpen(position);
    visit(position);
  };

  const onKey = (event: KeyboardEvent) => {
    touch();
    if (event.key === "Escape") setTip(null);
    if ((event.key === "Enter" || event.key === " ") && active !== null && isFold(active)) {
      event.preventDefault();
      onOpen(active);
    }
    const here = active ?? firstInSight();
    const position = moveOf(event, { prefix, chunks, here, isActive: active !== null });
    if (position === undefined) return;
    event.preventDefault();
    show(position);
  };

  return (
    <>
      {windowed
        ? <FlowPlace box={box} chunks={chunks} tokens={tokens} heat={heat} view={view} names={names} onPick={goTo} />
        : null}
      <div
        ref={box}
        role="listbox"
        tabIndex={0}
        aria-label={`${
          names[1].replace(/^./, (first) => first.toUpperCase())
        } of prompt and completion, with their relevance`}
        aria-describedby={shown === undefined ? undefined : `${prefix}-tip`}
        aria-activedescendant={active === null ? undefined : chipId(prefix, active)}
        class={windowed ? "token-flow tall" : "token-flow"}
        onKeyDown={onKey}
        onBlur={() => show(null)}
        onFocus={(event) => event.currentTarget.matches(":focus-visible") && showIfNone(firstInSight())}
        onWheel={touch}
        onTouchMove={touch}
        onClick={(event) => {
          const position = positionOf(event.target);
          if (position !== null && isFold(position)) onOpen(position);
        }}
        onPointerDown={(event) => {
          touch();
          const position = positionOf(event.target);
          if (position !== null) show(position);
        }}
        onPointerOver={(event) => event.pointerType === "mouse" && setTip(positionOf(event.target) ?? active)}
        onPointerLeave={(event) => event.pointerType === "mouse" && setTip(active)}
        onCopy={copyText}
      >
        <Part name="Prompt">{prompt}</Part>
        <Part name="Completion before the error">{completion}</Part>
      </div>
      {shown === undefined
        ? null
        : <TokenTip id={`${prefix}-tip`} prefix={prefix} token={shown} span={spans?.[shown.position]} heat={heat} />}
    </>
  );
}
