/** @jsxImportSource preact */
/** Relevance by segment, readers beside the classifier, and how the numbers came about. */
import { fixed, interval, percent } from "../../figures/number_text.ts";
import { segmentBars } from "../../figures/segment_bars.tsx";
import type { LabelAgreementRow } from "../../schema/services/diagnoses.ts";
import { marksName } from "../marks/found_marks.ts";
import { Figure, Missing, Table } from "./parts.tsx";
import type { Report } from "./read_report.ts";
import { SEGMENT_NAMES } from "./read_sums.ts";

const PATTERN_NAMES: Readonly<Record<string, string>> = { urt: "URT", oit: "OIT", urt_oit: "URT+OIT" };
const patternName = (pattern: string | null): string => pattern === null ? "none" : PATTERN_NAMES[pattern] ?? pattern;

/** Mean sums of segments by benchmark and pattern, as bars and as a table. */
export function SegmentSection({ segments, rule }: Report) {
  if (segments.length === 0) {
    return <Missing what="No pair of this selection is attributed." mend="npx culprit run --stages attribute" />;
  }
  const benchmarks = [...new Set(segments.map(({ benchmark }) => benchmark))];
  return (
    <>
      {benchmarks.map((benchmark) => (
        <Figure
          key={benchmark}
          drawing={segmentBars({
            name: `segments-${benchmark}`,
            title: `Relevance by segment and pattern, ${benchmark}`,
            note:
              `${benchmark}: mean sum of relevance by segment, for each pattern, with 95 % intervals; rule ${rule}.`,
            across: "pattern",
            groups: segments.filter((row) => row.benchmark === benchmark).map(({ pattern, count, means }) => ({
              label: `${patternName(pattern)} (n = ${count})`,
              count,
              means,
            })),
          })}
        />
      ))}
      <Table
        head={["benchmark, pattern", "n", ...SEGMENT_NAMES]}
        rows={segments.map(({ benchmark, pattern, count, means }) => [
          `${benchmark}, ${patternName(pattern)}`,
          count,
          ...SEGMENT_NAMES.map((name) => count === 1 ? fixed(means[name].value) : interval(means[name])),
        ])}
      />
      <p>
        <small>
          Sum of the segment's relevance at the embeddings over the largest |relevance| of tokens that are not special;
          mean over cases [95 %, normal]. Positive supports the wrong token. Pattern none: no pattern, or not diagnosed.
        </small>
      </p>
    </>
  );
}

/** Agreement of readers with each other and with the classifier; nothing where nobody labelled. */
export function ReadersSection({ readers, rule }: Report) {
  if (readers.length === 0) return null;
  const agreement = ({ kappa, observed }: LabelAgreementRow["outcome"]) => `${fixed(kappa)} (${percent(observed, 1)})`;
  return (
    <>
      <h3>Agreement of readers</h3>
      <Table
        head={["", "pairs", "outcome", "pattern", "relevant underweighted", "irrelevant overweighted"]}
        rows={readers.map(({ one, other, pairs, outcome, pattern, urt, oit }) => [
          `${one ?? "classifier"} and ${other}`,
          pairs,
          ...[outcome, pattern, urt, oit].map(agreement),
        ])}
      />
      <p>
        <small>
          Cohen’s kappa, observed agreement in parentheses; – where both always say one and the same. Over all labelled
          pairs of the selection’s benchmarks that both read, rule{" "}
          {rule}. What people say is never overwritten by the classifier.
        </small>
      </p>
    </>
  );
}

const Long = ({ text }: { readonly text: string }) => <code class="long">{text}</code>;

/** Which engine, adapter and classifier made the numbers, how long it took, and the command for this page. */
export function OriginSection({ costs, versions, markOrigins, command }: Report) {
  const models = [...new Map(costs.map(({ model, modelHash }) => [model, modelHash]))];
  const marks = markOrigins.map(({ origin, version, count }) => `${marksName(origin, version)} (${count})`);
  return (
    <>
      {costs.length === 0 ? null : (
        <Table
          head={["model", "n", "median tokens", "median edges", "median time", "adapter", "engine"]}
          rows={costs.map(({ model, what, adapter, engine, count, tokens, seconds, edges }) => [
            `${model}, ${what}`,
            count,
            fixed(tokens, 0),
            edges === null ? "–" : fixed(edges, 0),
            seconds < 1 ? `${fixed(1000 * seconds, 0)} ms` : `${fixed(seconds, 1)} s`,
            <span key="adapter" class="long">{adapter}</span>,
            <Long key="engine" text={engine ?? "not kept"} />,
          ])}
        />
      )}
      <p>
        <small>
          {models.map(([model, hash]) => (
            <>
              Weights of {model}: SHA-256 <Long text={hash} />.{" "}
            </>
          ))}
          {versions.length === 0 ? null : (
            <>
              Classifier: {versions.map((version, at) => (
                <>
                  {at === 0 ? "" : ", "}
                  <code>{version}</code>
                </>
              ))}.{" "}
            </>
          )}
          {marks.length === 0 ? null : `Instructions marked by: ${marks.join(", ")}. `}
          Times are walls on the machine that computed them, as busy as it was; short attributions share a pass with
          others, and each has the time of its pass.
        </small>
      </p>
      <p>
        This page again: <Long text={command} />
      </p>
    </>
  );
}
