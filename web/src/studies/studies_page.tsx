/// <reference lib="dom" />
/** @jsxImportSource preact */
/** Studies: did the larger or the later model mend the failure, and for the right reason? */
import { useEffect } from "preact/hooks";
import { request } from "../shell/client.ts";
import { type DataOf, ofType } from "../shell/graphql.ts";
import { useEndedJobs } from "../jobs/job_store.ts";
import { RULE_TERMS } from "../shell/names.ts";
import { Empty, Trouble, Waiting } from "../shell/notice.tsx";
import {
  LIST_STUDIES,
  type Movement,
  type Point,
  READ_MOVEMENTS,
  READ_POINTS,
  READ_STUDY,
  type StudyHead,
} from "./documents.ts";
import { formatRoute, RUN, type StudiesRoute } from "../shell/route.ts";
import { save } from "../shell/save.ts";
import { FigureFrame } from "../shell/figure_frame.tsx";
import { studyDrawings } from "./study_drawings.ts";
import { OutcomeBars } from "../cases/outcome_bars.tsx";
import { Term } from "../shell/term.tsx";
import { useLoad } from "../shell/use_load.ts";
import { go } from "../shell/use_route.ts";

/** Points that a scatter shows at most. */
const MOST_POINTS = 2000;

async function readPoints(id: string, x: string, y: string, signal: AbortSignal): Promise<readonly Point[]> {
  const points: Point[] = [];
  let after: string | null = null;
  do {
    const page: DataOf<typeof READ_POINTS> = await request(READ_POINTS, { id, x, y, after }, signal);
    const found = ofType(page.node, "Study")?.points;
    points.push(...found?.nodes ?? []);
    after = found?.pageInfo.hasNextPage === true ? found.pageInfo.endCursor : null;
  } while (after !== null && points.length < MOST_POINTS);
  return points;
}

function Pick(props: {
  readonly label: string;
  readonly value: string;
  readonly labels: readonly string[];
  readonly onValue: (value: string) => void;
}) {
  return (
    <label class="field">
      {props.label}
      <select value={props.value} onChange={({ currentTarget }) => props.onValue(currentTarget.value)}>
        {props.labels.map((label) => <option key={label} value={label}>{label}</option>)}
      </select>
    </label>
  );
}

/** What the members of a series are, at the start of a sentence. */
const KINDS = { SCALING: "Sizes", TRAINING: "Checkpoints", QUANTISATION: "Quantised files" } as const;

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** What changes from one member to each other. */
function Movements({ from, rows }: { readonly from: string; readonly rows: readonly Movement[] }) {
  return (
    <div class="scroll">
      <table class="table">
        <caption>From {from} to the others</caption>
        <thead>
          <tr>
            <th scope="col">
              <Term of="member" />
            </th>
            <th scope="col" class="number">Pairs</th>
            <th scope="col" class="number">Failures of {from} alone</th>
            <th scope="col" class="number">Relevance that moves</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ label, pairs, corrected, moved }) => (
            <tr key={label}>
              <th scope="row">{label}</th>
              <td class="number">{pairs}</td>
              <td class="number">{corrected}</td>
              <td class="number">
                {moved === null ? "–" : `${percent(moved.value)} [${percent(moved.low)}, ${percent(moved.high)}]`}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Study({ study, route }: { readonly study: StudyHead; readonly route: StudiesRoute }) {
  const labels = study.series.members.map(({ label }) => label);
  const pick = route.picks.find((one) => one.study === study.name);
  const known = (label: string | undefined, otherwise: string | undefined) =>
    label !== undefined && labels.includes(label) ? label : otherwise ?? "";
  const [x, y] = [known(pick?.x, labels[0]), known(pick?.y, labels.at(-1))];
  const choose = (x: string, y: string) => {
    const others = route.picks.filter((one) => one.study !== study.name);
    const usual = x === labels[0] && y === labels.at(-1);
    go({ ...route, picks: usual ? others : [...others, { study: study.name, x, y }] }, "replace");
  };
  const summary = useLoad(`study ${study.id} ${x} ${y}`, async (signal) => {
    const { node } = await request(READ_STUDY, { id: study.id, x, y }, signal);
    return ofType(node, "Study")?.summary;
  });
  const movements = useLoad(`movements ${study.id} ${x}`, async (signal) => {
    const { node } = await request(READ_MOVEMENTS, { id: study.id, from: x }, signal);
    return ofType(node, "Study")?.movements;
  });
  const points = useLoad(`points ${study.id} ${x} ${y}`, (signal) => readPoints(study.id, x, y, signal));
  const error = summary.error ?? points.error;
  const data = summary.data;
  return (
    <section class="study" aria-label={study.name}>
      <h2>{study.name}</h2>
      <p class="quiet small">
        {KINDS[study.series.kind]} of {study.series.name}, {study.pairs}{" "}
        <Term of="token-pair">token pair{study.pairs === 1 ? "" : "s"}</Term>, <Term of={RULE_TERMS[study.rule]} />
      </p>
      <div class="controls">
        <Pick label="Across" value={x} labels={labels} onValue={(label) => choose(label, y)} />
        <Pick label="Up" value={y} labels={labels} onValue={(label) => choose(x, label)} />
      </div>
      {error === undefined ? null : <Trouble error={error} onRetry={summary.reload} />}
      {data === undefined || points.data === undefined ? error === undefined ? <Waiting what="the study" /> : null : (
        <>
          <p role="status">
            Of {data.both} pairs that both have: {data.corrected} <Term of="corrected">corrected</Term>{" "}
            (<Term of="delta">delta</Term> above 1 and then below −1), {data.notCorrected} not corrected,{" "}
            {data.undecided} undecided.
          </p>
          <div class="plots">
            {studyDrawings(study, data, points.data).map((drawing) => (
              <FigureFrame key={drawing.name} drawing={drawing} />
            ))}
          </div>
          {movements.data === undefined ? null : <Movements from={x} rows={movements.data} />}
          <p class="small">
            Each point opens its case. Save the data behind the plots:{" "}
            <button
              type="button"
              class="link"
              onClick={() =>
                save(`${study.name}.json`, new Blob([JSON.stringify({ ...data, points: points.data }, null, 2)]))}
            >
              JSON
            </button>
          </p>
        </>
      )}
    </section>
  );
}

export function StudiesPage({ route }: { readonly route: StudiesRoute }) {
  const ended = useEndedJobs();
  const reading = useLoad("studies", (signal) => request(LIST_STUDIES, {}, signal));
  useEffect(() => {
    document.title = "Studies · Culprit";
  }, []);
  useEffect(() => {
    if (ended > 0) reading.reload();
  }, [ended]);
  const studies = reading.data?.studies.nodes ?? [];
  return (
    <div class="sheet">
      <h1>Studies</h1>
      {reading.error === undefined ? null : <Trouble error={reading.error} onRetry={reading.reload} />}
      {reading.data === undefined ? reading.error === undefined ? <Waiting what="studies" /> : null : null}
      {reading.data !== undefined && studies.length === 0
        ? (
          <Empty title="No studies yet">
            <p>
              A <Term of="study">study</Term> attributes the same <Term of="token-pair">token pairs</Term> on every{" "}
              <Term of="member">member</Term> of a <Term of="series">series</Term>{" "}
              of models: sizes, checkpoints, or quantised files.
            </p>
            <p class="quiet">
              Make a series and run a study under <a href={formatRoute(RUN)}>Run</a>, or with{" "}
              <code>npx culprit study</code>.
            </p>
          </Empty>
        )
        : null}
      {studies.map((study) => <Study key={study.id} study={study} route={route} />)}
      <OutcomeBars ended={ended} />
    </div>
  );
}
