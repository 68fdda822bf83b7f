/** @jsxImportSource preact */
/** The numbers of one token, beside it. */
import { useRef } from "preact/hooks";
import { useTipPlace } from "../shell/place_tip.ts";
import { SEGMENT_NAMES } from "../shell/names.ts";
import type { Token } from "./documents.ts";
import type { Heat } from "./read_case.ts";
import { normalise, signed } from "./relevance.ts";
import { chipId } from "./token_chip.tsx";
import type { Span } from "../../../figures/units.ts";
import { quoteToken } from "../../../figures/token_text.ts";

/** Digits enough for a 32-bit float. */
const DIGITS = 6;
export function TokenTip({ id, prefix, token, span, heat }: {
  readonly id: string;
  /** Beginning of the ids of the text that the token stands in. */
  readonly prefix: string;
  readonly token: Token;
  /** Its tokens, where it is a word or a sentence. */
  readonly span: Span | undefined;
  readonly heat: Heat | undefined;
}) {
  const tip = useRef<HTMLDivElement>(null);
  useTipPlace(tip, () => document.getElementById(chipId(prefix, token.position)));
  const raw = heat?.relevance[token.position];
  return (
    <div class="tip" role="tooltip" id={id} ref={tip}>
      <span class="token-text">{quoteToken(token.text)}</span>
      <dl>
        {span === undefined
          ? (
            <>
              <dt>Token id</dt>
              <dd>{token.id}</dd>
              <dt>Position</dt>
              <dd>{token.position}</dd>
            </>
          )
          : (
            <>
              <dt>Tokens</dt>
              <dd>{span.to - span.from}</dd>
              <dt>Positions</dt>
              <dd>{span.to - span.from === 1 ? span.from : `${span.from} to ${span.to - 1}`}</dd>
            </>
          )}
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
