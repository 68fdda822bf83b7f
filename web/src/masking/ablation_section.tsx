/** @jsxImportSource preact */
/** Heads and neurons set to zero, the most relevant ones first, and delta while that is done. */
import { useEffect } from "preact/hooks";
import { signed } from "../heat/relevance.ts";
import type { Pair } from "../heat/documents.ts";
import { ComputedOn } from "../jobs/computed_on.tsx";
import { follow, useEndedJobs } from "../jobs/job_store.ts";
import { WorkBox } from "../jobs/work_box.tsx";
import { request } from "../shell/client.ts";
import { FigureFrame } from "../shell/figure_frame.tsx";
import { ofType } from "../shell/graphql.ts";
import { Trouble, Waiting } from "../shell/notice.tsx";
import { useLoad } from "../shell/use_load.ts";
import { type AblationCurve, ablationCurves, drawAblations, nameOf, rankingOf, UNITS } from "./ablation_curves.ts";
import { ABLATE, type Ablation, type AblationUnit, READ_ABLATIONS } from "./ablation_documents.ts";

export function AblationSection({ pair, name }: {
  readonly pair: Pair;
  /** The case's key, for the names of files. */
  readonly name: string;
}) {
  const ended = useEndedJobs();
  const reading = useLoad(
    `ablation ${pair.id}`,
    async (signal) =>
      ofType((await request(READ_ABLATIONS, { id: pair.id }, signal)).node, "TokenPair")?.ablationExperiments ?? [],
  );
  useEffect(() => {
    if (ended > 0) reading.reload();
  }, [ended]);
  const shown = UNITS.map((unit) => ({ unit, curves: ablationCurves(reading.data ?? [], unit) }))
    .filter(({ curves }) => curves.length > 0);
  const newest = reading.data?.[0];
  const plan = { work: "ABLATE", tokenPairIds: [pair.id] } as const;
  const start = async () =>
    follow((await request(ABLATE, { input: { tokenPairIds: [pair.id] } })).runAblationExperiment);
  return (
    <section class="ablation" aria-label="Heads and neurons" aria-busy={reading.loading}>
      <h2>Heads and neurons</h2>
      <p class="small quiet">
        Which parts of the model write the wrong token: heads and neurons give zero at every token, the most relevant
        ones first.
      </p>
      {reading.error === undefined ? null : <Trouble error={reading.error} onRetry={reading.reload} />}
      {reading.data === undefined && reading.error === undefined ? <Waiting what="heads and neurons" /> : null}
      {reading.data !== undefined && shown.length === 0
        ? (
          <WorkBox
            what="what heads and neurons do"
            verb="Set heads and neurons to zero"
            aside
            plan={plan}
            start={start}
          />
        )
        : null}
      {shown.map(({ unit, curves }) => (
        <div key={unit}>
          <FigureFrame drawing={drawAblations(curves, unit, pair, name)} />
          <AblationTable curves={curves} />
          <FirstAblated unit={unit} curves={curves} />
        </div>
      ))}
      {newest === undefined
        ? null
        : <ComputedOn what="heads and neurons" adapter={newest.adapter} plan={plan} start={start} />}
    </section>
  );
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

function flipText(own: readonly Ablation[], most: number, flip: (one: Ablation) => number | null): string {
  const came = own.map(flip).filter((value) => value !== null);
  if (own.length === 1) return came.length === 0 ? `not within ${most}` : String(came[0]);
  return `${came.length} of ${own.length}${came.length === 0 ? "" : `, after ${mean(came).toFixed(1)}`}`;
}

function AblationTable({ curves }: { readonly curves: readonly AblationCurve[] }) {
  return (
    <div class="scroll">
      <table class="table flips">
        <caption class="unseen">Heads or neurons at zero until something flips, by ranking</caption>
        <thead>
          <tr>
            <th scope="col">Ranking</th>
            <th scope="col" class="number">until not the wrong token</th>
            <th scope="col" class="number">until the right token</th>
            <th scope="col" class="number">delta, first step</th>
            <th scope="col" class="number">share held, first and last step</th>
          </tr>
        </thead>
        <tbody>
          {curves.map(({ ranking, counts, deltas, own }) => (
            <tr key={ranking}>
              <td>{rankingOf(ranking).name}</td>
              <td class="number">{flipText(own, counts.at(-1)!, ({ flipAway }) => flipAway)}</td>
              <td class="number">{flipText(own, counts.at(-1)!, ({ flipToContrast }) => flipToContrast)}</td>
              <td class="number">{signed(deltas[1] ?? deltas[0]!)}</td>
              <td class="number">{heldText(own[0]!)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function heldText({ steps }: Ablation): string {
  const [first, last] = [steps[1]?.concentration ?? null, steps.at(-1)?.concentration ?? null];
  return first === null || last === null ? "–" : `${(100 * first).toFixed(0)} %, ${(100 * last).toFixed(0)} %`;
}

/** The first of AttnLRP's order, each with its relevance. */
function FirstAblated({ unit, curves }: { readonly unit: AblationUnit; readonly curves: readonly AblationCurve[] }) {
  const first = curves.find(({ ranking }) => ranking === "ATTNLRP")?.own[0];
  if (first === undefined) return null;
  const most = Math.max(...first.steps.map(({ ablated }) => ablated));
  return (
    <p class="small">
      First by AttnLRP, of {first.components}:{" "}
      {first.ablated.slice(0, Math.min(5, most)).map((one, at) => (
        <span key={at}>
          {at === 0 ? "" : ", "}
          {nameOf(unit, one)} <span class="number">{signed(one.relevance ?? 0)}</span>
        </span>
      ))}.
    </p>
  );
}
