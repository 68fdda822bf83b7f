/** @jsxImportSource preact */
/** Where a failure shows and how it came about: the classifier's word, with its probes, and people's beside it. */
import { useEffect } from "preact/hooks";
import { request, RequestError } from "../shell/client.ts";
import { follow, useEndedJobs } from "../jobs/job_store.ts";
import { Trouble } from "../shell/notice.tsx";
import type { Pair } from "../heat/documents.ts";
import { DIAGNOSE, type DiagnosedPair, type Diagnosis, READ_DIAGNOSIS } from "./documents.ts";
import { OUTCOMES, PATTERNS } from "../shell/names.ts";
import { Fold } from "../shell/fold.tsx";
import { LabelPanel } from "./label_panel.tsx";
import { useBlind, useReaderName } from "./reader_name.ts";
import { ReaderAgreement } from "../cases/reader_agreement.tsx";
import { signed } from "../heat/relevance.ts";
import { useLoad } from "../shell/use_load.ts";
import { Term } from "../shell/term.tsx";
import { WorkBox } from "../jobs/work_box.tsx";

async function readDiagnosis(id: string, signal: AbortSignal): Promise<DiagnosedPair> {
  const { node } = await request(READ_DIAGNOSIS, { id }, signal);
  if (node?.__typename !== "TokenPair") throw new RequestError("There is no such token pair.", "refused");
  return node;
}

async function startDiagnosis(id: string): Promise<string> {
  return follow((await request(DIAGNOSE, { id })).diagnose);
}

export function DiagnosisBox({ pair }: { readonly pair: Pair }) {
  const ended = useEndedJobs();
  const reading = useLoad(pair.id, (signal) => readDiagnosis(pair.id, signal));
  const [reader, setReader] = useReaderName();
  const [blind, setBlind] = useBlind();
  useEffect(() => {
    if (ended > 0) reading.reload();
  }, [ended]);
  const { data, error } = reading;
  if (error !== undefined) return <Trouble error={error} onRetry={reading.reload} />;
  if (data === undefined) return null;
  const own = data.labels.find((label) => label.reader === reader.trim());
  return (
    <section aria-label="Diagnosis" class="diagnosis">
      {blind && own === undefined
        ? <p class="quiet small">You read blind: what the classifier and others say shows after you have said yours.</p>
        : <Said pair={pair} data={data} />}
      <Fold title="Label outcome and pattern yourself">
        {() => (
          <LabelPanel
            key={own?.id ?? ""}
            pairId={pair.id}
            own={own}
            reader={reader}
            onReader={setReader}
            blind={blind}
            onBlind={setBlind}
            onDone={reading.reload}
          />
        )}
      </Fold>
    </section>
  );
}

/** What the classifier says, and people. */
function Said({ pair, data }: { readonly pair: Pair; readonly data: DiagnosedPair }) {
  const diagnosis = data.attributions.find(({ rule }) => rule === "ATTNLRP")?.diagnosis ?? null;
  return (
    <>
      {diagnosis === null
        ? <WorkBox key={pair.id} what="the diagnosis" aside start={() => startDiagnosis(pair.id)} />
        : <Verdict diagnosis={diagnosis} />}
      {data.labels.map(({ id, reader, outcome, pattern, note }) => (
        <p key={id} class="quiet small">
          {reader} says <Names outcome={outcome} pattern={pattern} />
          {note === null || note === "" ? null : `: ${note}`}
        </p>
      ))}
      {data.labels.length === 0 ? null : <ReaderAgreement />}
    </>
  );
}

function Names({ outcome, pattern }: Pick<Diagnosis, "outcome" | "pattern">) {
  return (
    <>
      <strong>
        <Term of={OUTCOMES[outcome].term} />
      </strong>
      {pattern === null ? null : (
        <>
          ,{" "}
          <strong>
            <Term of={PATTERNS[pattern].term} />
          </strong>
        </>
      )}
    </>
  );
}

function Verdict({ diagnosis }: { readonly diagnosis: Diagnosis }) {
  const { outcome, pattern, confidence, summary, probes, version, outdated } = diagnosis;
  const meaning = [OUTCOMES[outcome].meaning, ...pattern === null ? [] : [PATTERNS[pattern].meaning]].join("; ");
  return (
    <>
      <p>
        Automatic <Term of="diagnosis">diagnosis</Term>: <Names outcome={outcome} pattern={pattern} />
        {` (${meaning}), `}
        <Term of="confidence">confidence</Term> <span class="number">{confidence.toFixed(2)}</span>. {summary}
      </p>
      {probes.map(({ kind, positions, factor, before, after, asClaimed }) => (
        <p key={kind} class="small">
          <Term of="probe" />
          {`: attention to ${positions.length === 1 ? "one" : positions.length} ${
            kind === "WEAKEN"
              ? `irrelevant token${positions.length === 1 ? "" : "s"} divided`
              : `relevant token${positions.length === 1 ? "" : "s"} multiplied`
          } by ${factor} moves delta from `}
          <span class="number">{signed(before)}</span> to <span class="number">{signed(after)}</span>
          {asClaimed ? ", as claimed." : ", which does not confirm the claim."}
        </p>
      ))}
      {outdated ? <p class="quiet small">Made by version {version} of the classifier, not by this one.</p> : null}
    </>
  );
}
