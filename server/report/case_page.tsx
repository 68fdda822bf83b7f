/** @jsxImportSource preact */
/** One case as an HTML page that needs nothing else: heatmap, strongest tokens, diagnosis, graph and masking. */
import { entryOf } from "../../figures/glossary.ts";
import { type Curve, curves } from "../../figures/curves.tsx";
import { HeatText } from "../../figures/heat_text.tsx";
import { fixed } from "../../figures/number_text.ts";
import type { Drawing } from "../../figures/picture.tsx";
import { RANKINGS } from "../../figures/ranking_names.ts";
import { shownToken } from "../../figures/token_text.ts";
import { GraphFigures, heatData } from "./case_figures.tsx";
import { Figure, Table, Token } from "./parts.tsx";
import type { CaseReport } from "./read_case_report.ts";
import { pageOf, Section, Sheet } from "./sheet.tsx";

const STRONGEST = 8;

export function casePage(report: CaseReport): string {
  return pageOf(<CasePage {...report} />);
}

function CasePage(report: CaseReport) {
  const { key, benchmark, task, model, rule, heat, targetLogit, contrastLogit, graph, masking } = report;
  return (
    <Sheet title={`${key}: why`}>
      <h1>{key}</h1>
      <p>
        {benchmark}, {task}; {model.name} wrote <Token text={heat.target} />, logit {fixed(targetLogit)}, where{" "}
        <Token text={heat.contrast} />, logit {fixed(contrastLogit)}, would have been right: delta {fixed(heat.delta)}.
      </p>
      <Section title="Heatmap">
        <figure>
          <HeatText data={heatData(heat)} />
          <figcaption>
            Relevance at the embeddings, rule {rule}, over the largest |relevance| of tokens that are not special (
            {fixed(heat.scale, 3)}{" "}
            logits). Red supports the wrong token, blue the right one; instruction tokens are underlined, special ones
            are pale.
          </figcaption>
        </figure>
        <Strongest {...report} />
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

/** Tokens that pull hardest each way; special ones are left out, as in the colours. */
function Strongest({ heat: { tokens, segments, relevance, scale } }: CaseReport) {
  const ranked = tokens.map((text, position) => ({ text, position, value: relevance[position]! }))
    .filter(({ position, value }) => segments[position] !== "S" && value !== 0)
    .sort((a, b) => Math.abs(b.value) - Math.abs(a.value) || a.position - b.position).slice(0, STRONGEST);
  return (
    <Table
      head={["strongest tokens", "position", "logits", "normalised"]}
      rows={ranked.map(({ text, position, value }) => [
        shownToken(text),
        position,
        fixed(value * scale, 3),
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
