/** @jsxImportSource preact */
/** Delta while the tokens of a ranking are masked one after another, with its controls. */
import { useEffect, useState } from "preact/hooks";
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

const RANKING_NAMES: Readonly<Record<Exclude<Ranking, "CHOSEN">, string>> = {
  ATTNLRP: "AttnLRP",
  CPLRP: "CP-LRP",
  GRADIENT: "Gradient × input",
  RANDOM: "random",
  LOWEST: "lowest first",
};
const REPLACEMENT_NAMES: Readonly<Record<Replacement, string>> = {
  ATTENTION: "not attended to",
  REMOVE: "left out",
  NEUTRAL: "a blank",
  MEAN: "mean embedding",
};

/** Line styles tell the rankings apart without colour. */
const DASHES: Readonly<Record<Exclude<Ranking, "CHOSEN">, string>> = {
  ATTNLRP: "",
  CPLRP: "7 3",
  GRADIENT: "2 3",
  RANDOM: "1 4",
  LOWEST: "10 3 2 3",
};

const SIZE = { width: 640, height: 280, left: 48, right: 130, top: 12, bottom: 34 };

/** One curve a ranking; random orders are averaged. */
function curvesOf(experiments: readonly Experiment[]) {
  return (Object.keys(RANKING_NAMES) as (keyof typeof RANKING_NAMES)[]).flatMap((ranking) => {
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

function Chart({ curves }: { readonly curves: ReturnType<typeof curvesOf> }) {
  const all = curves.flatMap(({ deltas }) => deltas);
  const [low, high] = [Math.min(0, ...all), Math.max(0, ...all)];
  const longest = Math.max(1, ...curves.map(({ deltas }) => deltas.length - 1));
  const x = (masked: number) => SIZE.left + masked / longest * (SIZE.width - SIZE.left - SIZE.right);
  const y = (delta: number) => SIZE.top + (high - delta) / (high - low || 1) * (SIZE.height - SIZE.top - SIZE.bottom);
  // Labels at the ends of the lines keep a line's distance.
  const ends = curves.map(({ ranking, deltas }) => ({ ranking, at: y(deltas.at(-1) ?? 0) })).sort((a, b) =>
    a.at - b.at
  );
  for (let index = 1; index < ends.length; index++) {
    const [before, here] = [ends[index - 1], ends[index]];
    if (before && here) here.at = Math.max(here.at, before.at + 14);
  }
  return (
    <svg
      class="chart"
      viewBox={`0 0 ${SIZE.width} ${SIZE.height}`}
      role="img"
      aria-label={`Delta against masked tokens for ${curves.map(({ ranking }) => RANKING_NAMES[ranking]).join(", ")}`}
    >
      <line x1={SIZE.left} x2={x(longest)} y1={y(0)} y2={y(0)} class="axis" />
      <line x1={SIZE.left} x2={SIZE.left} y1={SIZE.top} y2={SIZE.height - SIZE.bottom} class="axis" />
      {[high, 0, low].filter((value, index, list) => list.indexOf(value) === index).map((value) => (
        <text key={value} x={SIZE.left - 6} y={y(value) + 4} text-anchor="end">{value.toFixed(1)}</text>
      ))}
      {Array.from({ length: longest + 1 }, (_, masked) => masked)
        .filter((masked) => longest <= 10 || masked % Math.ceil(longest / 10) === 0)
        .map((masked) => (
          <text key={masked} x={x(masked)} y={SIZE.height - SIZE.bottom + 16} text-anchor="middle">{masked}</text>
        ))}
      <text x={x(longest / 2)} y={SIZE.height - 4} text-anchor="middle">tokens masked</text>
      <text x={SIZE.left + 6} y={SIZE.top + 10} class="quiet">delta</text>
      {curves.map(({ ranking, deltas }) => (
        <polyline
          key={ranking}
          class="curve"
          stroke-dasharray={DASHES[ranking]}
          points={deltas.map((delta, masked) => `${x(masked).toFixed(1)},${y(delta).toFixed(1)}`).join(" ")}
        />
      ))}
      {curves.flatMap(({ ranking, deltas, own }) => {
        const flip = own.length === 1 ? own[0]?.flipAway ?? null : null;
        const delta = flip === null ? undefined : deltas[flip];
        return flip === null || delta === undefined ? [] : [
          <circle key={ranking} class="flip" cx={x(flip)} cy={y(delta)} r={4}>
            <title>{`${RANKING_NAMES[ranking]}: after ${flip}, the model would no longer write the wrong token`}</title>
          </circle>,
        ];
      })}
      {ends.map(({ ranking, at }) => <text key={ranking} x={x(longest) + 8} y={at + 4}>{RANKING_NAMES[ranking]}</text>)}
    </svg>
  );
}

const flipText = (flip: number | null, budget: number) => flip === null ? `not within ${budget}` : String(flip);

function meanFlip(own: readonly Experiment[], flip: (one: Experiment) => number | null): string {
  if (own.length === 1) return flipText(flip(own[0]!), own[0]!.budget);
  const came = own.map(flip).filter((value) => value !== null);
  return `${came.length} of ${own.length}` +
    (came.length === 0 ? "" : `, after ${(came.reduce((a, b) => a + b, 0) / came.length).toFixed(1)}`);
}

export function MaskingSection({ pair, tokens }: { readonly pair: Pair; readonly tokens: readonly Token[] }) {
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
          <div class="scroll">
            <Chart curves={curves} />
          </div>
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
                    <td>{RANKING_NAMES[ranking]}</td>
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
          <p class="quiet small">
            Delta falls when what is masked held the wrong token up. A point marks where the model would no longer write
            the wrong token. Random orders and the lowest-ranked tokens are the controls. No special token is masked.
          </p>
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
