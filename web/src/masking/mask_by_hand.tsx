/** @jsxImportSource preact */
/** Masking by clicking: how delta moves, and what the model would write, with the chosen tokens masked. */
import { useEffect, useState } from "preact/hooks";
import { request } from "../shell/client.ts";
import { follow, useJobs } from "../jobs/job_store.ts";
import type { Pair, Token } from "../heat/documents.ts";
import { type Experiment, MASK_TOKENS } from "./documents.ts";
import type { Replacement } from "../jobs/documents.ts";
import { MaskedTokens, SHOWN } from "./masked_tokens.tsx";
import { type Heat, readHeat } from "../heat/read_case.ts";
import { plain, signed } from "../heat/relevance.ts";
import { strongest } from "../../../figures/strongest.ts";
import { RULE_NAMES } from "../shell/names.ts";
import { TokenBox } from "../heat/token_glyphs.tsx";
import { Term } from "../shell/term.tsx";
import { useLoad } from "../shell/use_load.ts";

/** Clicks that follow on each other are asked for together. */
const PAUSE_MS = 250;
/** New tokens of what the model would write. */
const ROLLOUT = 48;
/** Tokens that one button masks. */
const TOP = [1, 3, 5, 10] as const;

function sameOrder(experiment: Experiment, chosen: readonly number[]): boolean {
  return experiment.steps.length === chosen.length + 1 &&
    chosen.every((position, index) => experiment.steps[index + 1]?.position === position);
}

/** How the answer would go on: asked for once delta is there, since it takes longer. */
function Continuation({ experiment }: { readonly experiment: Experiment }) {
  const rollout = experiment.rollouts.find(({ masked }) => masked === experiment.steps.length - 1);
  if (rollout === undefined) return <p class="quiet small">What it would go on to write follows.</p>;
  const { text, passed } = rollout;
  return (
    <p class="mask-continuation">
      <span class="quiet small">It would go on:</span> <span class="answer-text">{text}</span>
      {passed === null
        ? null
        : <span class="quiet small">{passed ? " The answer passes." : " The answer fails."}</span>}
    </p>
  );
}

function Result({ pair, experiment }: { readonly pair: Pair; readonly experiment: Experiment }) {
  const first = experiment.steps[0];
  const last = experiment.steps.at(-1);
  if (first === undefined || last === undefined) return null;
  const side = last.argmax === pair.target.id ? "red" : last.argmax === pair.contrast.id ? "blue" : undefined;
  return (
    <>
      <p class="mask-result" data-delta={last.delta}>
        Delta <strong class="number">{signed(last.delta)}</strong>, from{" "}
        <span class="number">{plain(first.delta)}</span>. The model would write{" "}
        <TokenBox text={last.argmaxText} side={side} />
        {last.argmax === pair.target.id
          ? ", still the wrong token."
          : last.argmax === pair.contrast.id
          ? ", the right token."
          : ", another token."}
      </p>
      <Continuation experiment={experiment} />
    </>
  );
}

/** Positions that hold the wrong token up most, the strongest first; never a special one, nor the last. */
function strongestOf(heat: Heat, tokens: readonly Token[], count: number): readonly number[] {
  const counts = (position: number) => tokens[position]?.special === false && position < tokens.length - 1;
  return strongest(heat.relevance, count, counts).positive.map(({ position }) => position);
}

function useHeat(pair: Pair, tokens: readonly Token[]) {
  const attribution = pair.attributions.find(({ rule }) => rule === "ATTNLRP") ?? pair.attributions[0];
  const { data } = useLoad(
    attribution === undefined ? null : `masked heat ${attribution.id}`,
    () => readHeat(attribution?.id ?? "", 0, tokens.length),
  );
  return { attribution, heat: data };
}

/** Asks for what is missing of the chosen tokens: delta, and once that is there what the model would write. */
function useMasking(pair: Pair, replacement: Replacement, chosen: readonly number[], found: Experiment | undefined) {
  const [trouble, setTrouble] = useState<string>();
  const [jobId, setJobId] = useState<string>();
  const rolled = found?.rollouts.some(({ masked }) => masked === chosen.length) === true;
  useEffect(() => {
    setTrouble(undefined);
    if (chosen.length === 0 || rolled) return;
    const rolloutTokens = found === undefined ? 0 : ROLLOUT;
    const timer = setTimeout(() => {
      request(MASK_TOKENS, { input: { tokenPairId: pair.id, positions: chosen, replacement, rolloutTokens } })
        .then(({ maskTokens }) => setJobId(follow(maskTokens)))
        .catch((error: Error) => setTrouble(error.message));
    }, PAUSE_MS);
    return () => clearTimeout(timer);
    // The list is a new one with every reading of the address.
  }, [chosen.join(), found === undefined, rolled]);
  const job = useJobs().find(({ id }) => id === jobId);
  return { trouble, problem: job?.error?.message };
}

export function MaskByHand(props: {
  readonly pair: Pair;
  readonly tokens: readonly Token[];
  readonly replacement: Replacement;
  /** Masked positions, in their order. */
  readonly chosen: readonly number[];
  readonly onChoose: (positions: readonly number[]) => void;
  /** What was masked by hand before, with this replacement. */
  readonly known: readonly Experiment[];
}) {
  const { pair, tokens, replacement, known, chosen, onChoose } = props;
  const found = known.find((experiment) => sameOrder(experiment, chosen));
  const { trouble, problem } = useMasking(pair, replacement, chosen, found);
  const { attribution, heat } = useHeat(pair, tokens);
  const toggle = (position: number) =>
    onChoose(chosen.includes(position) ? chosen.filter((one) => one !== position) : [...chosen, position]);
  return (
    <section aria-label="Mask tokens by hand">
      <h2>
        <Term of="masking">Mask</Term> tokens by hand
      </h2>
      <p class="quiet small">
        Click tokens to mask them, and again to bring them back.
        {attribution === undefined ? "" : ` Colours are relevance by ${RULE_NAMES[attribution.rule]}.`}
        {SHOWN < tokens.length - 1 ? ` The last ${SHOWN} tokens are shown.` : ""}
      </p>
      {heat === undefined ? null : (
        <p class="small mask-top">
          Mask the strongest for the wrong token: {TOP.map((count) => {
            const positions = strongestOf(heat, tokens, count);
            return (
              <button
                key={count}
                type="button"
                disabled={positions.length < count}
                onClick={() => onChoose(positions)}
              >
                {count}
              </button>
            );
          })}
        </p>
      )}
      <MaskedTokens pair={pair} tokens={tokens} heat={heat} chosen={chosen} onToggle={toggle} />
      <div aria-live="polite">
        {chosen.length === 0
          ? null
          : found !== undefined
          ? <Result pair={pair} experiment={found} />
          : <p class="quiet">{problem ?? "Computing"}</p>}
      </div>
      {trouble === undefined ? null : <p role="alert">{trouble}</p>}
      {chosen.length === 0
        ? null
        : <button type="button" class="link small" onClick={() => onChoose([])}>Bring all back</button>}
    </section>
  );
}
