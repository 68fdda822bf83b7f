/** @jsxImportSource preact */
/** A word of art in a text or a heading: pointed at, reached by keys or tapped, it says what it means. */
import type { ComponentChildren } from "preact";
import { GLOSSARY, type Term as TermName } from "../../../figures/glossary.ts";

export type { TermName };

/**
 * The word by which the glossary calls it, or another. Where something else can be chosen or followed already, that
 * takes `data-term` and `aria-description` itself and is no stop of its own.
 */
export function Term({ of, children }: { readonly of: TermName; readonly children?: ComponentChildren }) {
  const { name, meaning } = GLOSSARY[of];
  return (
    <span role="button" tabIndex={0} class="term" data-term={of} aria-description={meaning}>{children ?? name}</span>
  );
}

/** What makes a control or a link say what it means; nothing where it names no term. */
export function termOf(term: TermName | undefined) {
  return term === undefined ? {} : { "data-term": term, "aria-description": GLOSSARY[term].meaning };
}
