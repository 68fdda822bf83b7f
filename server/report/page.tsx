/** @jsxImportSource preact */
/** The report as one HTML page that needs nothing else: no scripts, no fonts, no network. */
import { GLOSSARY } from "../../figures/glossary.ts";
import { fixed, percent } from "../../figures/number_text.ts";
import { GraphSection, HeatmapSection } from "./case_figures.tsx";
import { SinkSection } from "./layer_figures.tsx";
import { MaskingSection } from "./masking_figures.tsx";
import { Missing, Table } from "./parts.tsx";
import type { Report } from "./read_report.ts";
import { OriginSection, ReadersSection, SegmentSection } from "./segment_figures.tsx";
import { pageOf, Section, Sheet } from "./sheet.tsx";
import { StudySection } from "./study_figures.tsx";

const OUTCOMES = {
  m_ia: GLOSSARY["m-ia"].name,
  nc_ia_m_ag: GLOSSARY["nc-ia-m-ag"].name,
  nc_ia_ag: GLOSSARY["nc-ia-ag"].name,
} as const;
const PATTERNS = { urt: GLOSSARY.urt.name, oit: GLOSSARY.oit.name, urt_oit: GLOSSARY["urt-oit"].name } as const;

export function reportPage(report: Report): string {
  return pageOf(<Page report={report} />);
}

function Page({ report }: { readonly report: Report }) {
  return (
    <Sheet title="Culprit: report">
      <h1>Which tokens made the model fail</h1>
      <p>{describe(report)}</p>
      <Section title="Failures">
        <Failures {...report} />
      </Section>
      <Section title="Outcomes and failure patterns">
        <Patterns {...report} />
        <ReadersSection {...report} />
      </Section>
      <Section title="Relevance by segment">
        <SegmentSection {...report} />
      </Section>
      <Section title="Heatmaps, one for each pattern">
        <HeatmapSection {...report} />
      </Section>
      <Section title="A reduced graph">
        <GraphSection {...report} />
      </Section>
      <Section title="Layers">
        <SinkSection {...report} />
      </Section>
      <Section title="Sizes and checkpoints">
        <StudySection {...report} />
      </Section>
      <Section title="Masking">
        <MaskingSection {...report} />
      </Section>
      <Section title="How these numbers came about">
        <OriginSection {...report} />
      </Section>
      <p>
        <small>
          AttnLRP does not conserve: raw contributions need not sum to the logit difference. Relevance of Qwen3 is
          skewed toward the first token, which is left out of every scale here. Outcomes and patterns are those of an
          automatic classifier.
        </small>
      </p>
    </Sheet>
  );
}

function describe({ selection, rule, pairs, attributed, seed }: Report): string {
  const words = [
    selection.selection === "clean" ? "token pairs with delta > 1" : "all token pairs",
    ...(selection.model === null ? [] : [`of ${selection.model}`]),
    ...(selection.benchmarks === null ? [] : [`in ${selection.benchmarks.join(", ")}`]),
    ...(selection.key === null ? [] : [`whose key holds ${JSON.stringify(selection.key)}`]),
    ...(selection.limit === null ? [] : [`the first ${selection.limit}`]),
  ];
  return `Selection: ${words.join(", ")}: n = ${pairs}, ${attributed} of them attributed by the rule ${rule}. ` +
    `Intervals: 95 %, bootstrap, seed ${seed}.`;
}

function Failures({ failures: rows }: Report) {
  if (rows.length === 0) {
    return <Missing what="No failure case fits the selection." mend="npx culprit import --from culprit FILE" />;
  }
  return (
    <>
      <Table
        head={["benchmark, model", "answers", "failures", "clean", "clean rate", "excluded", "open", "mean tokens"]}
        rows={rows.map(({ benchmark, model, answers, failures: failed, clean, excluded, tokens }) => [
          `${benchmark}, ${model}`,
          answers === 0 ? "–" : answers,
          failed,
          clean,
          percent(clean, failed),
          excluded,
          failed - clean - excluded,
          fixed(tokens, 0),
        ])}
      />
      <p>
        <small>
          Clean: a target and a contrast exist and delta &gt; 1. Rate: of the failures stored; an import of clean cases
          alone has a rate of 100 %. Answers: – where only failures are stored, or a part of the cases is selected. Mean
          tokens: of clean cases, up to the wrong token.
        </small>
      </p>
    </>
  );
}

function Patterns({ diagnoses, attributed, rule }: Report) {
  if (diagnoses.length === 0) {
    return (
      <Missing
        what="No pair of this selection is diagnosed."
        mend="npx culprit run --stages attribute,graph,diagnose"
      />
    );
  }
  const benchmarks = [...new Set(diagnoses.map(({ benchmark }) => benchmark))];
  const sum = (benchmark: string, of: (row: Report["diagnoses"][number]) => boolean) =>
    diagnoses.filter((row) => row.benchmark === benchmark && of(row)).reduce((all, row) => all + row.count, 0);
  const part = (benchmark: string, of: (row: Report["diagnoses"][number]) => boolean, whole: number) => {
    const found = sum(benchmark, of);
    return `${found} (${percent(found, whole)})`;
  };
  const outcomes = benchmarks.map((benchmark) => {
    const all = sum(benchmark, () => true);
    return [
      benchmark,
      all,
      ...Object.keys(OUTCOMES).map((outcome) => part(benchmark, (row) => row.outcome === outcome, all)),
    ];
  });
  const kinds = benchmarks.map((benchmark) => {
    const all = sum(benchmark, (row) => row.pattern !== null);
    return [
      benchmark,
      all,
      ...Object.keys(PATTERNS).map((pattern) => part(benchmark, (row) => row.pattern === pattern, all)),
      sum(benchmark, (row) => row.pattern === null),
    ];
  });
  const total = diagnoses.reduce((all, row) => all + row.count, 0);
  return (
    <>
      <p>n = {total} diagnosed of {attributed} attributed pairs, rule {rule}; by the automatic classifier.</p>
      <Table head={["outcome", "n", ...Object.values(OUTCOMES)]} rows={outcomes} />
      <Table head={["pattern", "n with a pattern", ...Object.values(PATTERNS), "no pattern"]} rows={kinds} />
    </>
  );
}
