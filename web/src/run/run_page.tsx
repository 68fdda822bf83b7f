/** @jsxImportSource preact */
/** Getting started, and starting work: models, imports, collecting, searching pairs, analyses, studies. */
import { useEffect } from "preact/hooks";
import { request } from "../shell/client.ts";
import { useEndedJobs } from "../jobs/job_store.ts";
import { Trouble, Waiting } from "../shell/notice.tsx";
import { READ_CHOICES } from "./documents.ts";
import { Analyse } from "./run_analyse.tsx";
import { AddModel, Import } from "./run_import.tsx";
import { Collect, SearchPairs } from "./run_search.tsx";
import { AddSeries, RunStudy } from "./run_study.tsx";
import { useLoad } from "../shell/use_load.ts";

export function RunPage() {
  const ended = useEndedJobs();
  const reading = useLoad("choices", (signal) => request(READ_CHOICES, {}, signal));
  useEffect(() => {
    document.title = "Run · Culprit";
  }, []);
  useEffect(() => {
    if (ended > 0) reading.reload();
  }, [ended]);
  const summaries = reading.data?.models.nodes ?? [];
  const models = summaries.map(({ name }) => name);
  const series = reading.data?.modelSeries.nodes ?? [];
  const benchmarks = reading.data?.benchmarks.nodes ?? [];
  return (
    <div class="sheet">
      <h1>Run</h1>
      {reading.error === undefined ? null : <Trouble error={reading.error} onRetry={reading.reload} />}
      {reading.data === undefined ? reading.error === undefined ? <Waiting what="models" /> : null : (
        <>
          <AddModel onAdded={reading.reload} />
          <Import models={models} />
          <Collect models={models} benchmarks={benchmarks} />
          <SearchPairs models={models} benchmarks={benchmarks} />
          <Analyse />
          {models.length < 2 ? null : <AddSeries models={summaries} onAdded={reading.reload} />}
          {series.length === 0 ? null : <RunStudy series={series} />}
        </>
      )}
    </div>
  );
}
