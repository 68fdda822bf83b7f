/// <reference lib="dom" />
/** Which parts of a long text or list are near the reader. */
import { useEffect, useState } from "preact/hooks";
import type { Span } from "../../../figures/units.ts";
import { chunkAt } from "./token_chunks.ts";

/** Pixels above and below what is in sight within which parts are made ready. */
const AHEAD = 400;
/** Parts that are near before anything was measured. */
const FIRST = 3;

interface Box {
  readonly current: HTMLElement | null;
}

export interface Nearness {
  /** Whether a part is in sight or a little beyond. */
  readonly isNear: (index: number) => boolean;
  /** Pixels that a part was high when it was last near, undefined when it never was. */
  readonly heightOf: (index: number) => number | undefined;
}

/**
 * Watches the parts that `selector` finds in the box, in document order; `parts` changes when there are others. `root`:
 * whether the box itself scrolls, or the window. Without `windowed` all of them are near.
 */
export function useNear(
  box: Box,
  how: {
    readonly selector: string;
    readonly parts: unknown;
    readonly root: "box" | "window";
    readonly windowed: boolean;
  },
): Nearness {
  const { selector, parts, root, windowed } = how;
  const [near, setNear] = useState<ReadonlySet<number>>(new Set());
  const [heights] = useState(() => new Map<number, number>());
  useEffect(() => {
    if (!windowed || box.current === null) return;
    const elements = [...box.current.querySelectorAll(selector)];
    const indices = new Map(elements.map((element, index) => [element, index]));
    const observer = new IntersectionObserver((entries) => {
      // What is hidden as a whole is kept as it was, so that it comes back as it was.
      const seen = entries.filter(({ boundingClientRect: { width } }) => width > 0);
      if (seen.length === 0) return;
      setNear((old) => {
        const next = new Set(old);
        for (const { target, isIntersecting, boundingClientRect } of seen) {
          const index = indices.get(target) ?? -1;
          heights.set(index, boundingClientRect.height);
          if (isIntersecting) next.add(index);
          else next.delete(index);
        }
        return next;
      });
    }, { root: root === "box" ? box.current : null, rootMargin: `${AHEAD}px 0px` });
    for (const element of elements) observer.observe(element);
    return () => observer.disconnect();
  }, [parts, windowed]);
  return {
    isNear: (index) => !windowed || (near.size === 0 ? index < FIRST : near.has(index)),
    heightOf: (index) => heights.get(index),
  };
}

/** Index of the chunk of the box that a node lies in, -1 when it lies in none. */
function chunkOf(box: HTMLElement, chunks: readonly Span[], node: Node | null): number {
  const element = node instanceof Element ? node : node?.parentElement;
  const chunk = element?.closest("[data-chunk]");
  if (chunk === null || chunk === undefined || !box.contains(chunk)) return -1;
  return chunkAt(chunks, Number(chunk.getAttribute("data-chunk")));
}

/** The chunks that a selection begins and ends in: they stay as they are, or the selection would lose its ends. */
export function useSelected(box: Box, chunks: readonly Span[], windowed: boolean): readonly number[] {
  const [selected, setSelected] = useState<readonly number[]>([]);
  useEffect(() => {
    if (!windowed) return;
    const read = () => {
      const selection = getSelection();
      if (box.current === null || selection === null) return;
      const { anchorNode, focusNode, isCollapsed } = selection;
      const element = box.current;
      const ends = isCollapsed ? [] : [anchorNode, focusNode].map((node) => chunkOf(element, chunks, node));
      setSelected((old) => old.join() === ends.join() ? old : ends);
    };
    document.addEventListener("selectionchange", read);
    return () => document.removeEventListener("selectionchange", read);
  }, [chunks, windowed]);
  return selected;
}

/** The selected text as the tokens have it, without labels and without line ends between chunks. */
export function selectedText(selection: Selection): string {
  const content = selection.getRangeAt(0).cloneContents();
  for (const other of content.querySelectorAll(".label, .fork, .fold")) other.remove();
  return content.textContent ?? "";
}
