/// <reference lib="dom" />
/** @jsxImportSource preact */
/**
 * What a term means, beside it: one tip for the whole page. Whatever has `data-term` has it: while the mouse rests on it,
 * while it has the focus of the keyboard, and from a tap until the next one. Escape puts it away.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import { entryOf } from "../../../figures/glossary.ts";
import { useTipPlace } from "./place_tip.ts";

/** The mouse rests when it stays so long: who passes by sees nothing. */
const REST_MS = 300;

const anchorOf = (target: EventTarget | null): Element | null =>
  target instanceof Element ? target.closest("[data-term]") : null;

/** What the keyboard has reached. */
function focused(): Element | null {
  const element = document.activeElement;
  return element?.matches(":focus-visible") === true ? anchorOf(element) : null;
}

/** The element whose meaning is shown. */
function useAnchor(tip: { readonly current: HTMLElement | null }): Element | null {
  const [anchor, setAnchor] = useState<Element | null>(null);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const show = (next: Element | null) => {
      clearTimeout(timer);
      setAnchor(next);
    };
    const handlers: Readonly<Record<string, (event: Event) => void>> = {
      pointerover: (event) => {
        if ((event as PointerEvent).pointerType !== "mouse") return;
        // Who reads the tip may go over it.
        if (event.target instanceof Node && tip.current?.contains(event.target) === true) return;
        const next = anchorOf(event.target);
        clearTimeout(timer);
        if (next === null) setAnchor(focused());
        else timer = setTimeout(() => setAnchor(next), REST_MS);
      },
      pointerdown: (event) => {
        const next = anchorOf(event.target);
        const byTouch = (event as PointerEvent).pointerType !== "mouse";
        // A link is followed; what the mouse chooses was read before.
        show(next !== null && (next.matches(".term") || byTouch && next.closest("a") === null) ? next : null);
      },
      focusin: () => {
        const next = focused();
        if (next !== null) show(next);
      },
      // A tap shows its own before the focus leaves the last one.
      focusout: ({ target }) => setAnchor((old) => old === anchorOf(target) ? null : old),
      keydown: (event) => {
        const { key } = event as KeyboardEvent;
        if (key === "Escape") show(null);
        if (key === "Enter" && event.target instanceof Element && event.target.matches(".term")) show(event.target);
      },
    };
    for (const [name, handler] of Object.entries(handlers)) addEventListener(name, handler);
    return () => {
      clearTimeout(timer);
      for (const [name, handler] of Object.entries(handlers)) removeEventListener(name, handler);
    };
  }, []);
  return anchor;
}

export function TermTip() {
  const tip = useRef<HTMLDivElement>(null);
  const anchor = useAnchor(tip);
  const entry = entryOf(anchor?.getAttribute("data-term"));
  useTipPlace(tip, () => anchor);
  // Who went to another room left the word behind.
  if (entry === undefined || anchor === null || anchor.getClientRects().length === 0) return null;
  return (
    <div class="tip term-tip" role="tooltip" ref={tip}>
      <strong>{entry.name}</strong>
      <p>{entry.meaning}</p>
    </div>
  );
}
