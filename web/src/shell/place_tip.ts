/// <reference lib="dom" />
/** Where a tip stands: under what it is about, or above where there is no room, inside the window. */
import type { RefObject } from "preact";
import { useLayoutEffect } from "preact/hooks";

const GAP = 6;
const MARGIN = 8;

function place(tip: HTMLElement, anchor: Element): void {
  const at = anchor.getClientRects()[0];
  if (at === undefined) return;
  const { width, height } = tip.getBoundingClientRect();
  const below = at.bottom + GAP;
  const fits = below + height + MARGIN <= innerHeight;
  tip.style.top = `${fits ? below : Math.max(MARGIN, at.top - GAP - height)}px`;
  tip.style.left = `${Math.max(MARGIN, Math.min(at.left, document.documentElement.clientWidth - width - MARGIN))}px`;
}

/** Keeps a tip at its anchor while the page scrolls and changes. */
export function useTipPlace(tip: RefObject<HTMLElement | null>, anchorOf: () => Element | null): void {
  useLayoutEffect(() => {
    const update = () => {
      const anchor = anchorOf();
      if (tip.current !== null && anchor !== null) place(tip.current, anchor);
    };
    update();
    addEventListener("scroll", update, { passive: true, capture: true });
    addEventListener("resize", update);
    return () => {
      removeEventListener("scroll", update, { capture: true });
      removeEventListener("resize", update);
    };
  });
}
