/** @jsxImportSource preact */
/** Masking by clicking: what the model would write, and how delta moves, with the chosen tokens masked. */
import { useEffect, useState } from "preact/hooks";
import { request } from "../shell/client.ts";
import { follow, useJobs } from "../jobs/job_store.ts";
import type { Pair, Token } from "../heat/documents.ts";
import { type Experiment, MASK_TOKENS } from "./documents.ts";
import type { Replacement } from "../jobs/documents.ts";
import { plain, signed } from "../heat/relevance.ts";
import { TokenBox, TokenGlyphs } from "../heat/token_glyphs.tsx";

/** More tokens than this are shown in part: those nearest to the prediction. */
const SHOWN = 1500;
/** Clicks that follow on each other are asked for together. */
const PAUSE_MS = 250;

function sameOrder(experiment: Experiment, chosen: readonly number[]): boolean {
  return experiment.steps.length === chosen.length + 1 &&
    chosen.every((position, index) => experiment.steps[index + 1]?.position === position);
}

function Result({ pair, experiment }: { readonly pair: Pair; readonly experiment: Experiment }) {
  const first = experiment.steps[0];
  const last = experiment.steps.at(-1);
  if (first === undefined || last === undefined) return null;
  const side = last.argmax === pair.target.id ? "red" : last.argmax === pair.contrast.id ? "blue" : undefined;
  return (
    <p class="mask-result" data-delta={last.delta}>
      Delta <strong class="number">{signed(last.delta)}</strong>, from <span class="number">{plain(first.delta)}</span>
      . The model would write <TokenBox text={last.argmaxText} side={side} />
      {last.argmax === pair.target.id
        ? ", still the wrong token."
        : last.argmax === pair.contrast.id
        ? ", the right token."
        : ", another token."}
    </p>
  );
}

export function MaskByHand(props: {
  readonly pair: Pair;
  readonly tokens: readonly Token[];
  readonly replacement: Replacement;
  /** What was masked by hand before, with this replacement. */
  readonly known: readonly Experiment[];
}) {
  const { pair, tokens, replacement, known } = props;
  const [chosen, setChosen] = useState<readonly number[]>([]);
  const [trouble, setTrouble] = useState<string>();
  const [jobId, setJobId] = useState<string>();
  const job = useJobs().find(({ id }) => id === jobId);
  const found = known.find((experiment) => sameOrder(experiment, chosen));

  useEffect(() => {
    setTrouble(undefined);
    if (chosen.length === 0 || found !== undefined) return;
    const timer = setTimeout(() => {
      request(MASK_TOKENS, { input: { tokenPairId: pair.id, positions: chosen, replacement } })
        .then(({ maskTokens }) => setJobId(follow(maskTokens)))
        .catch((error: Error) => setTrouble(error.message));
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [chosen]);

  const toggle = (position: number) =>
    setChosen((old) => old.includes(position) ? old.filter((one) => one !== position) : [...old, position]);
  // The prediction is made at the last token: it stays.
  const shown = tokens.slice(0, -1).slice(-SHOWN);
  return (
    <section aria-label="Mask tokens by hand">
      <h2>Mask tokens by hand</h2>
      <p class="quiet small">
        Click tokens to mask them, and again to bring them back.
        {shown.length < tokens.length - 1 ? ` The last ${SHOWN} tokens are shown.` : ""}
      </p>
      <div class="completion-tokens" role="group" aria-label="Tokens before the prediction">
        {shown.map(({ position, text }) => (
          <button
            key={position}
            type="button"
            class={`completion-token${chosen.includes(position) ? " masked" : ""}`}
            aria-pressed={chosen.includes(position)}
            title={`Token ${position}`}
            onClick={() => toggle(position)}
          >
            <TokenGlyphs text={text} running={false} />
          </button>
        ))}
      </div>
      <div aria-live="polite">
        {chosen.length === 0
          ? null
          : found !== undefined
          ? <Result pair={pair} experiment={found} />
          : <p class="quiet">{job?.error?.message ?? "Computing"}</p>}
      </div>
      {trouble === undefined ? null : <p role="alert">{trouble}</p>}
      {chosen.length === 0
        ? null
        : <button type="button" class="link small" onClick={() => setChosen([])}>Bring all back</button>}
    </section>
  );
}
