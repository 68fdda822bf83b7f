/** @jsxImportSource preact */
/** The wrong token, the right one, and what parts them. */
import type { Pair } from "./documents.ts";
import { plain, signed } from "./relevance.ts";
import { Term } from "../shell/term.tsx";
import { TokenBox } from "./token_glyphs.tsx";

export function Verdict({ pair }: { readonly pair: Pair }) {
  return (
    <dl class="verdict">
      <div>
        <dt>
          <Term of="target" />, which the model chose
        </dt>
        <dd>
          <TokenBox text={pair.target.text} side="red" />
          <span class="number logit">
            <Term of="logit">logit</Term> {plain(pair.target.logit)}
          </span>{" "}
          <span class="quiet small">id {pair.target.id}</span>
        </dd>
      </div>
      <div class="minus">
        <dt>
          <Term of="contrast" />, its alternative
        </dt>
        <dd>
          <TokenBox text={pair.contrast.text} side="blue" />
          <span class="number logit">logit {plain(pair.contrast.logit)}</span>{" "}
          <span class="quiet small">id {pair.contrast.id}, rank {pair.contrast.rank}</span>
        </dd>
      </div>
      <div class="equals">
        <dt>
          <Term of="delta" />
        </dt>
        <dd class="number" data-delta={pair.delta}>{signed(pair.delta)}</dd>
      </div>
    </dl>
  );
}

/** The same at the place where it happened: after the last token, the two ways to go on. */
export function Fork({ pair }: { readonly pair: Pair }) {
  return (
    <span class="fork">
      <span class="way">
        <TokenBox text={pair.target.text} side="red" />
        <span class="kind red">wrong</span>
        <span class="number">{plain(pair.target.logit)}</span>
      </span>
      <span class="way">
        <TokenBox text={pair.contrast.text} side="blue" />
        <span class="kind blue">right</span>
        <span class="number">{plain(pair.contrast.logit)}</span>
      </span>
    </span>
  );
}
