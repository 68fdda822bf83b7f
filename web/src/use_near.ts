/// <reference lib="dom" />
/** Which chunks of a scrolled text are near the reader. */
import { useEffect, useState } from "preact/hooks";
import { type Chunk, chunkAt } from "./token_chunks.ts";

/** Pixels above and below the box within which chunks are made ready. */
const AHEAD = 400;
/** Chunks that are near before anything was measured. */
const FIRST = 3;

interface Box {
  readonly current: HTMLElement | null;
}

/** Indices of the chunks in the box's sight or a little beyond; all of them where the text is not windowed. */
export function useNear(box: Box, chunks: readonly Chunk[], windowed: boolean): (index: number) => boolean {
  const [near, setNear] = useState<ReadonlySet<number>>(new Set());
  useEffect(() => {
    if (!windowed || box.current === null) return;
    const observer = new IntersectionObserver((entries) => {
      setNear((old) => {
        const next = new Set(old);
        for (const { target, isIntersecting } of entries) {
          const index = chunkAt(chunks, Number(target.getAttribute("data-chunk")));
          if (isIntersecting) next.add(index);
          else next.delete(index);
        }
        return next;
      });
    }, { root: box.current, rootMargin: `${AHEAD}px 0px` });
    for (const element of box.current.querySelectorAll("[data-chunk]")) observer.observe(element);
    return () => {
      observer.disconnect();
      setNear(new Set());
    };
  }, [chunks, windowed]);
  return (index) => !windowed || (near.size === 0 ? index < FIRST : near.has(index));
}

/** Index of the chunk of the box that a node lies in, -1 when it lies in none. */
function chunkOf(box: HTMLElement, chunks: readonly Chunk[], node: Node | null): number {
  const element = node instanceof Element ? node : node?.parentElement;
  const chunk = element?.closest("[data-chunk]");
  if (chunk === null || chunk === undefined || !box.contains(chunk)) return -1;
  return chunkAt(chunks, Number(chunk.getAttribute("data-chunk")));
}

/** The chunks that a selection begins and ends in: they stay as they are, or the selection would lose its ends. */
export function useSelected(box: Box, chunks: readonly Chunk[], windowed: boolean): readonly number[] {
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
  for (const other of content.querySelectorAll(".label, .fork")) other.remove();
  return content.textContent ?? "";
}
