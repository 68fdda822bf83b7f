/** @jsxImportSource preact */
/** Delta while the tokens of a ranking are masked one after another, with its controls. */
import { useEffect, useState } from "preact/hooks";
import { curves as drawingOf } from "../../../figures/curves.tsx";
import type { Drawing } from "../../../figures/picture.tsx";
import { RANKINGS } from "../../../figures/ranking_names.ts";
import { quoteToken } from "../../../figures/token_text.ts";
import { FigureFrame } from "../shell/figure_frame.tsx";
import { ofType } from "../shell/graphql.ts";
import { Choice } from "../shell/choice.tsx";
import { request } from "../shell/client.ts";
import { ComputedOn } from "../jobs/computed_on.tsx";
import { mask, useEndedJobs } from "../jobs/job_store.ts";
import { MaskByHand } from "./mask_by_hand.tsx";
import { Trouble, Waiting } from "../shell/notice.tsx";
import type { Pair, Token } from "../heat/documents.ts";
import { type Experiment, type Ranking, READ_MASKING } from "./documents.ts";
import { type Replacement, REPLACEMENTS, type Scope } from "../jobs/documents.ts";
import { signed } from "../heat/relevance.ts";
import { TokenBox } from "../heat/token_glyphs.tsx";
import { useLoad } from "../shell/use_load.ts";
import { WorkBox } from "../jobs/work_box.tsx";

/** A ranking that has a curve; what is chosen by hand has its own place. */
type Ranked = Exclude<Ranking, "CHOSEN">;
const RANKED: readonly Ranked[] = ["ATTNLRP", "CPLRP", "GRADIENT", "RANDOM", "LOWEST"];
const rankingOf = (ranking: Ranked) => RANKINGS[ranking.toLowerCase() as Lowercase<Ranked>];

const REPLACEMENT_NAMES: Readonly<Record<Replacement, string>> = {
  ATTENTION: "not attended to",
  REMOVE: "left out",
  NEUTRAL: "a blank",
  MEAN: "mean embedding",
};

/** One curve a ranking; random orders are averaged. */
function curvesOf(experiments: readonly Experiment[]) {
  return RANKED.flatMap((ranking) => {
    const own = experiments.filter((one) => one.ranking === ranking);
    const longest = Math.max(0, ...own.map(({ steps }) => steps.length));
    if (longest === 0) return [];
    const deltas = Array.from({ length: longest }, (_, masked) => {
      // A curve that is out of tokens keeps its last value.
      const values = own.map(({ steps }) => (steps[masked] ?? steps.at(-1))?.delta ?? 0);
      return values.reduce((sum, value) => sum + value, 0) / values.length;
    });
    return [{ ranking, deltas, own }];
  });
}

/** What the curves show, and what they were made of. */
function noteOf({ target, contrast }: Pair, replacement: Replacement, scope: Scope): string {
  return `Delta of this pair, ${quoteToken(target.text)} for ${quoteToken(contrast.text)}, while tokens of ` +
    `${scope === "PROMPT" ? "the prompt" : "prompt and answer"} are masked; a masked token is ` +
    `${
      REPLACEMENT_NAMES[replacement]
    }. It falls when what is masked held the wrong token up. A point marks where the model ` +
    "would no longer write the wrong token. Random orders (their mean) and the lowest-ranked tokens are the controls. No " +
    "special token is masked.";
}

function drawCurves(curves: ReturnType<typeof curvesOf>, name: string, note: string): Drawing {
  return drawingOf({
    name,
    title: `Delta against masked tokens for ${curves.map(({ ranking }) => rankingOf(ranking).name).join(", ")}`,
    note,
    across: "tokens masked",
    up: { label: "delta" },
    curves: curves.map(({ ranking, deltas, own }) => {
      const flip = own.length === 1 ? own[0]?.flipAway ?? null : null;
      return {
        label: rankingOf(ranking).name,
        series: rankingOf(ranking).series,
        points: deltas.map((delta, masked) => [masked, delta] as const),
        ...(flip === null
          ? {}
          : { mark: { across: flip, text: `after ${flip}, the model would no longer write the wrong token` } }),
      };
    }),
  });
}

const flipText = (flip: number | null, budget: number) => flip === null ? `not within ${budget}` : String(flip);

function meanFlip(own: readonly Experiment[], flip: (one: Experiment) => number | null): string {
  if (own.length === 1) return flipText(flip(own[0]!), own[0]!.budget);
  const came = own.map(flip).filter((value) => value !== null);
  return `${came.length} of ${own.length}` +
    (came.length === 0 ? "" : `, after ${(came.reduce((a, b) => a + b, 0) / came.length).toFixed(1)}`);
}

export function MaskingSection(props: {
  /** The case's key, for the names of files. */
  readonly name: string;
  readonly pair: Pair;
  readonly tokens: readonly Token[];
}) {
  const { name, pair, tokens } = props;
  const ended = useEndedJobs();
  const [replacement, setReplacement] = useState<Replacement>("ATTENTION");
  const [scope, setScope] = useState<Scope>("PROMPT");
  const reading = useLoad(
    `masking ${pair.id}`,
    async (signal) =>
      ofType((await request(READ_MASKING, { id: pair.id }, signal)).node, "TokenPair")?.maskingExperiments ?? [],
  );
  useEffect(() => {
    if (ended > 0) reading.reload();
  }, [ended]);
  const ofReplacement = reading.data?.filter((one) => one.replacement === replacement) ?? [];
  const stored = ofReplacement.filter((one) => one.ranking !== "CHOSEN" && one.scope === scope);
  const budget = Math.max(0, ...stored.map((one) => one.budget));
  const curves = curvesOf(stored.filter((one) => one.budget === budget));
  const first = stored.find(({ ranking }) => ranking === "ATTNLRP");
  return (
    <section class="masking" aria-label="Masking experiments" aria-busy={reading.loading}>
      <div class="controls">
        <Choice
          label="A masked token is"
          value={replacement}
          options={REPLACEMENTS.map((value) => ({ value, label: REPLACEMENT_NAMES[value] }))}
          onChange={setReplacement}
        />
        <Choice
          label="Masked may be tokens of"
          value={scope}
          options={[{ value: "PROMPT", label: "the prompt" }, { value: "ALL", label: "prompt and answer" }]}
          onChange={setScope}
        />
      </div>
      <MaskByHand
        key={replacement}
        pair={pair}
        tokens={tokens}
        replacement={replacement}
        known={ofReplacement.filter(({ ranking }) => ranking === "CHOSEN")}
      />
      {reading.error === undefined ? null : <Trouble error={reading.error} onRetry={reading.reload} />}
      {reading.data === undefined ? reading.error === undefined ? <Waiting what="masking experiments" /> : null : null}
      {reading.data !== undefined && curves.length === 0
        ? (
          <WorkBox
            key={`${replacement} ${scope}`}
            what="the masking curve"
            plan={{ work: "MASK", tokenPairIds: [pair.id], replacements: [replacement] }}
            start={() => mask(pair.id, replacement, scope)}
          />
        )
        : null}
      {curves.length === 0 ? null : (
        <>
          <FigureFrame
            drawing={drawCurves(
              curves,
              `masking-${name}-${replacement.toLowerCase()}`,
              noteOf(pair, replacement, scope),
            )}
          />
          <div class="scroll">
            <table class="table flips">
              <caption class="unseen">Tokens masked until something flips, by ranking</caption>
              <thead>
                <tr>
                  <th scope="col">Ranking</th>
                  <th scope="col" class="number">until not the wrong token</th>
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
          {first === undefined ? null : (
            <p class="small">
              Masked first by AttnLRP:{" "}
              {first.steps.slice(1, 6).map(({ position, delta }) => (
                <span key={position} class="masked-step">
                  <TokenBox text={tokens[position ?? -1]?.text ?? ""} /> <span class="number">{signed(delta)}</span>
                  {" "}
                </span>
              ))}
            </p>
          )}
          {stored[0] === undefined ? null : (
            <ComputedOn
              key={`${replacement} ${scope} again`}
              what="the masking curve"
              adapter={stored[0].adapter}
              plan={{ work: "MASK", tokenPairIds: [pair.id], replacements: [replacement] }}
              start={() => mask(pair.id, replacement, scope)}
            />
          )}
        </>
      )}
    </section>
  );
}
