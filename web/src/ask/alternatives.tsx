/** @jsxImportSource preact */
/** What else the model could have said at a token of its answer; choosing one asks why it did not. */
import { useState } from "preact/hooks";
import { plain } from "../heat/relevance.ts";
import { TokenBox } from "../heat/token_glyphs.tsx";
import { Term } from "../shell/term.tsx";
import { quoteToken } from "../../../figures/token_text.ts";
import type { AnswerToken } from "./documents.ts";

/** A probability for reading. */
function chance(probability: number): string {
  const percent = 100 * probability;
  return percent < 0.01 ? "less than 0.01 %" : `${percent.toFixed(percent < 1 ? 2 : 1)} %`;
}

/** An alternative by its id, or the text that somebody typed. */
export type Choice = { readonly id: number } | { readonly text: string };

export function Alternatives(props: {
  readonly token: AnswerToken;
  readonly busy: boolean;
  readonly onChoose: (choice: Choice) => void;
}) {
  const { token, busy, onChoose } = props;
  const [typed, setTyped] = useState("");
  return (
    <section class="alternatives" aria-label="What else it could have said">
      <h2>
        Instead of <TokenBox text={token.text} side="red" />
      </h2>
      <p class="quiet small">
        Token {token.position} of the answer, <Term of="logit">logit</Term>{" "}
        {token.logit === null ? "not known yet" : plain(token.logit)}
        {token.probability === null ? "" : `, probability ${chance(token.probability)}`}. Choose what it should have
        said.
      </p>
      <ol class="alternative-list">
        {token.alternatives.map(({ rank, id, text, logit, probability }) => (
          <li key={id}>
            <button
              type="button"
              disabled={busy}
              aria-label={`Why not ${quoteToken(text)}`}
              onClick={() => onChoose({ id })}
            >
              <TokenBox text={text} side="blue" />
              <span class="number quiet small">
                rank {rank}, logit {plain(logit)}
                {probability === null ? "" : `, ${chance(probability)}`}
              </span>
            </button>
          </li>
        ))}
      </ol>
      <form
        class="filter"
        onSubmit={(event) => {
          event.preventDefault();
          if (typed !== "") onChoose({ text: typed });
        }}
      >
        <label class="field wide">
          Another token, with its leading space
          <input
            type="text"
            value={typed}
            autocomplete="off"
            spellcheck={false}
            onInput={({ currentTarget }) => setTyped(currentTarget.value)}
          />
        </label>
        <button type="submit" disabled={busy || typed === ""}>Why not this</button>
      </form>
    </section>
  );
}
