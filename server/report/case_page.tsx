/** @jsxImportSource preact */
/** One case as an HTML page that needs nothing else: heatmap, strongest tokens, diagnosis, graph and masking. */
import { entryOf } from "../../figures/glossary.ts";
import { type Curve, curves } from "../../figures/curves.tsx";
import type { HeatData } from "../../figures/heat_picture.tsx";
import { HeatText } from "../../figures/heat_text.tsx";
import { fixed } from "../../figures/number_text.ts";
import type { Drawing } from "../../figures/picture.tsx";
import { RANKINGS } from "../../figures/ranking_names.ts";
import { shownToken } from "../../figures/token_text.ts";
import { type Unit, UNIT_NAMES } from "../../figures/units.ts";
import { GraphFigures, heatOf } from "./case_figures.tsx";
import { Figure, Table, Token } from "./parts.tsx";
import type { CaseReport } from "./read_case_report.ts";
import { pageOf, Section, Sheet } from "./sheet.tsx";

const STRONGEST = 8;

/** `unit`: what one colour stands for. */
export function casePage(report: CaseReport, unit: Unit = "tokens"): string {
  return pageOf(<CasePage report={report} unit={unit} />);
}

function CasePage({ report, unit }: { readonly report: CaseReport; readonly unit: Unit }) {
  const { key, benchmark, task, model, rule, heat, targetLogit, contrastLogit, graph, masking } = report;
  const { data, scale } = heatOf(heat, unit);
  const [one, many] = UNIT_NAMES[unit];
  return (
    <Sheet title={`${key}: why`}>
      <h1>{key}</h1>
      <p>
        {benchmark}, {task}; {model.name} wrote <Token text={heat.target} />, logit {fixed(targetLogit)}, where{" "}
        <Token text={heat.contrast} />, logit {fixed(contrastLogit)}, would have been right: delta {fixed(heat.delta)}.
      </p>
      <Section title="Heatmap">
        <figure>
          <HeatText data={data} />
          <figcaption>
            Relevance at the embeddings, rule {rule}
            {unit === "tokens" ? "" : `, the sum over the tokens of each ${one}`}, over the largest |relevance| of{" "}
            {many} that are not special ({fixed(scale, 3)}{" "}
            logits). Red supports the wrong token, blue the right one; instruction tokens are underlined, special ones
            are pale.{data.folds?.length === 0
              ? ""
              : " What lies far from the error and from the strongest is folded away."}
          </figcaption>
        </figure>
        <Strongest data={data} one={one} many={many} />
      </Section>
      <Diagnosis {...report} />
      {graph === null ? null : (
        <Section title="Graph">
          <GraphFigures graph={graph} rule={rule} chosen="" />
        </Section>
      )}
      {masking.length === 0 ? null : (
        <Section title="Masking">
          {maskingDrawings(report).map((drawing) => <Figure key={drawing.name} drawing={drawing} />)}
        </Section>
      )}
      <Origin {...report} />
    </Sheet>
  );
}

/** What pulls hardest each way; what is special is left out, as in the colours. */
function Strongest({ data, one, many }: { readonly data: HeatData; readonly one: string; readonly many: string }) {
  const ranked = data.tokens.map((token, position) => ({ ...token, position }))
    .filter(({ raw, value }) => value !== null && raw !== 0)
    .sort((a, b) => Math.abs(b.raw) - Math.abs(a.raw) || a.position - b.position).slice(0, STRONGEST);
  return (
    <Table
      head={[`strongest ${many}`, one === "token" ? "position" : "first token", "logits", "normalised"]}
      rows={ranked.map(({ text, position, span, raw, value }) => [
        shownToken(text),
        span?.[0] ?? position,
        fixed(raw, 3),
        fixed(value, 3),
      ])}
    />
  );
}

/** What the glossary calls an outcome or a pattern, and what that means in short. */
function findingWords(value: string): string {
  const { name = value, short } = entryOf(value.replaceAll("_", "-")) ?? {};
  return short === undefined ? name : `${name}: ${short}`;
}

function Diagnosis({ diagnosis }: CaseReport) {
  if (diagnosis === null) return null;
  const { outcome, pattern, confidence, version, evidence } = diagnosis;
  return (
    <Section title="Diagnosis">
      <p>
        {findingWords(outcome)}; {pattern === null ? "no pattern" : findingWords(pattern)}, confidence{" "}
        {fixed(confidence)}. {evidence.summary}
      </p>
      <Table
        head={["evidence", "value", "threshold", "speaks for it"]}
        rows={evidence.numbers.map(({ name, value, threshold, supports }) => [
          name,
          fixed(value, 3),
          fixed(threshold, 3),
          supports ? "yes" : "no",
        ])}
      />
      <p>
        <small>By the automatic classifier, version {version}.</small>
      </p>
    </Section>
  );
}

/** Delta against masked tokens, a figure for each replacement; random orders are averaged. */
function maskingDrawings({ key, masking }: CaseReport): readonly Drawing[] {
  const settings = Map.groupBy(masking, ({ replacement, answerToo }) => `${replacement} ${answerToo}`);
  return [...settings.values()].map((experiments): Drawing => {
    const { replacement, answerToo, budget } = experiments[0]!;
    const byRanking = Map.groupBy(experiments, ({ ranking }) => ranking);
    const drawn = [...byRanking].flatMap(([ranking, own]): Curve[] => {
      const known = RANKINGS[ranking as keyof typeof RANKINGS];
      const longest = Math.max(...own.map(({ curve }) => curve.steps.length));
      if (known === undefined || longest === 0) return [];
      return [{
        label: known.name,
        series: known.series,
        points: Array.from({ length: longest }, (_, masked) => {
          const deltas = own.map(({ curve: { steps } }) => (steps[masked] ?? steps.at(-1))!.delta);
          return [masked, deltas.reduce((sum, delta) => sum + delta, 0) / deltas.length] as const;
        }),
      }];
    });
    return curves({
      name: `masking-${key}-${replacement}`,
      title: `Delta against masked tokens, ${replacement}`,
      note:
        `Replacement ${replacement}, at most ${budget} tokens of ${answerToo ? "prompt and answer" : "the prompt"}; ` +
        "random orders (their mean) and the lowest-ranked tokens are the controls; n = 1.",
      across: "tokens masked",
      up: { label: "delta" },
      curves: drawn,
    });
  });
}

function Origin({ model, origin: { adapter, engine, seconds } }: CaseReport) {
  return (
    <p>
      <small>
        Weights of {model.name}: SHA-256 <code class="long">{model.hash}</code>. Computed on {adapter} in{" "}
        {fixed(seconds, 2)} s by{" "}
        {engine === null ? "an engine that was not kept" : <code class="long">{engine}</code>}. AttnLRP does not
        conserve: raw contributions need not sum to the logit difference.
      </small>
    </p>
  );
}
