/** @jsxImportSource preact */
/** How many tokens were masked until something flipped, by ranking, and which AttnLRP masked first. */
import type { Token } from "../heat/documents.ts";
import { signed } from "../heat/relevance.ts";
import { Term } from "../shell/term.tsx";
import { TokenBox } from "../heat/token_glyphs.tsx";
import type { Experiment } from "./documents.ts";
import { type MaskingCurve, rankingOf } from "./masking_curves.ts";

const flipText = (flip: number | null, budget: number) => flip === null ? `not within ${budget}` : String(flip);

function meanFlip(own: readonly Experiment[], flip: (one: Experiment) => number | null): string {
  if (own.length === 1) return flipText(flip(own[0]!), own[0]!.budget);
  const came = own.map(flip).filter((value) => value !== null);
  return `${came.length} of ${own.length}` +
    (came.length === 0 ? "" : `, after ${(came.reduce((a, b) => a + b, 0) / came.length).toFixed(1)}`);
}

export function FlipTable({ curves }: { readonly curves: readonly MaskingCurve[] }) {
  return (
    <div class="scroll">
      <table class="table flips">
        <caption class="unseen">Tokens masked until something flips, by ranking</caption>
        <thead>
          <tr>
            <th scope="col">
              <Term of="ranking" />
            </th>
            <th scope="col" class="number">
              <Term of="flip">until not the wrong token</Term>
            </th>
            <th scope="col" class="number">until the right token</th>
            <th scope="col" class="number">until the answer passes</th>
          </tr>
        </thead>
        <tbody>
          {curves.map(({ ranking, own }) => (
            <tr key={ranking}>
              <td>{rankingOf(ranking).name}</td>
              <td class="number">{meanFlip(own, ({ flipAway }) => flipAway)}</td>
              <td class="number">{meanFlip(own, ({ flipToContrast }) => flipToContrast)}</td>
              <td class="number">{meanFlip(own, ({ flipToPass }) => flipToPass)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The first tokens of an experiment's order, each with delta after it. */
export function MaskedFirst({ experiment, tokens }: {
  readonly experiment: Experiment;
  readonly tokens: readonly Token[];
}) {
  return (
    <p class="small">
      Masked first by AttnLRP:{" "}
      {experiment.steps.slice(1, 6).map(({ position, delta }) => (
        <span key={position} class="masked-step">
          <TokenBox text={tokens[position ?? -1]?.text ?? ""} /> <span class="number">{signed(delta)}</span>
          {" "}
        </span>
      ))}
    </p>
  );
}
