/** @jsxImportSource preact */
/** The numbers of one token, beside it. */
import { useLayoutEffect, useRef } from "preact/hooks";
import { SEGMENT_NAMES } from "../shell/names.ts";
import type { Token } from "./documents.ts";
import type { Heat } from "./read_case.ts";
import { normalise, signed } from "./relevance.ts";
import { chipId } from "./token_chip.tsx";
import { quoteToken } from "../../../figures/token_text.ts";

/** Digits enough for a 32-bit float. */
const DIGITS = 6;
const GAP = 6;
const MARGIN = 8;

/** Puts the tip under its token, or above where there is no room, inside the window. */
function place(tip: HTMLElement, chipId: string): void {
  const chip = document.getElementById(chipId)?.getClientRects()[0];
  if (chip === undefined) return;
  const { width, height } = tip.getBoundingClientRect();
  const below = chip.bottom + GAP;
  const fits = below + height + MARGIN <= innerHeight;
  tip.style.top = `${fits ? below : Math.max(MARGIN, chip.top - GAP - height)}px`;
  tip.style.left = `${Math.max(MARGIN, Math.min(chip.left, document.documentElement.clientWidth - width - MARGIN))}px`;
}

export function TokenTip({ id, prefix, token, heat }: {
  readonly id: string;
  /** Beginning of the ids of the text that the token stands in. */
  readonly prefix: string;
  readonly token: Token;
  readonly heat: Heat | undefined;
}) {
  const tip = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const update = () => tip.current !== null && place(tip.current, chipId(prefix, token.position));
    update();
    addEventListener("scroll", update, { passive: true, capture: true });
    addEventListener("resize", update);
    return () => {
      removeEventListener("scroll", update, { capture: true });
      removeEventListener("resize", update);
    };
  });
  const raw = heat?.relevance[token.position];
  return (
    <div class="tip" role="tooltip" id={id} ref={tip}>
      <span class="token-text">{quoteToken(token.text)}</span>
      <dl>
        <dt>Token id</dt>
        <dd>{token.id}</dd>
        <dt>Position</dt>
        <dd>{token.position}</dd>
        <dt>Segment</dt>
        <dd>{SEGMENT_NAMES[token.segment]}</dd>
        {heat === undefined || raw === undefined ? null : (
          <>
            <dt>Raw</dt>
            <dd data-tip="raw">{signed(raw, DIGITS)}</dd>
            <dt>Normalised</dt>
            <dd data-tip="normalised">{signed(normalise(raw, heat.scale), DIGITS)}</dd>
          </>
        )}
      </dl>
    </div>
  );
}
