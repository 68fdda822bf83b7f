/** @jsxImportSource preact */
/** A study's figures: scatter, segment bars, mean delta along the series. */
import { intervalLines } from "../../figures/interval_line.tsx";
import { fixed, interval, percent } from "../../figures/number_text.ts";
import type { Drawing } from "../../figures/picture.tsx";
import { scatter, type VerdictWord } from "../../figures/scatter.tsx";
import { segmentBars } from "../../figures/segment_bars.tsx";
import { studySelection } from "../../figures/selection_words.ts";
import { type StudyVerdict, VERDICTS } from "../studies/summary.ts";
import { Figure, Missing, Table } from "./parts.tsx";
import type { Report, StudyPart } from "./read_report.ts";

const WORDS: Readonly<Record<StudyVerdict, VerdictWord>> = {
  corrected: "corrected",
  not_corrected: "not corrected",
  undecided: "undecided",
};
const SEGMENTS = ["instruction", "query", "answer", "special"] as const;

export function StudySection({ studyPart, study, seed }: Report) {
  if (studyPart === null) {
    return study === undefined
      ? <Missing what="No study was asked for." mend="npx culprit export report --study NAME" />
      : <Missing what={`There is no study ${JSON.stringify(study)}.`} mend="npx culprit study --series FILE" />;
  }
  return (
    <>
      <Scatter part={studyPart} />
      <Segments part={studyPart} />
      <Checkpoints part={studyPart} seed={seed} />
    </>
  );
}

const selected = ({ summary }: StudyPart): string => studySelection(summary.pairs, summary.sources);

export function scatterDrawing(part: StudyPart): Drawing {
  const { study, summary, points } = part;
  const { corrected, not_corrected, undecided } = summary.counts;
  return scatter({
    name: `${study.name}-scatter`,
    x: summary.x,
    y: summary.y,
    points: points.map(({ key, targetText, contrastText, x, y, verdict }) => ({
      key,
      target: targetText,
      contrast: contrastText,
      x,
      y,
      verdict: WORDS[verdict],
    })),
    counts: { corrected, "not corrected": not_corrected, undecided },
    note:
      `Study “${study.name}”, series “${study.series}”, rule ${study.rule}; n = ${summary.both} of ${summary.pairs} ` +
      `pairs that both members have. ${selected(part)} Dashed lines: x = 1, y = ±1.`,
  });
}

function Scatter({ part }: { readonly part: StudyPart }) {
  if (part.points.length === 0) {
    return <Missing what="No pair is attributed on both ends of the series." mend="npx culprit study ..." />;
  }
  return (
    <>
      <h3>Delta of the same pairs on two members</h3>
      <Figure drawing={scatterDrawing(part)} />
    </>
  );
}

/** Means of each verdict on each member that has any. */
const groupsOf = ({ summary }: StudyPart) =>
  summary.members.flatMap(({ label, segments }) =>
    VERDICTS.flatMap((verdict) => {
      const row = segments.find((one) => one.verdict === verdict);
      return row === undefined || row.means === null
        ? []
        : [{ label: `${label}, ${WORDS[verdict]}`, count: row.count, means: row.means }];
    })
  );

export function segmentsDrawing(part: StudyPart): Drawing {
  const { study, summary } = part;
  return segmentBars({
    name: `${study.name}-segments`,
    title: "Segment sums by member and verdict",
    note:
      "Relevance at the embeddings, divided by the largest |relevance| of tokens that are not special; means over the " +
      `pairs of each verdict (${summary.x} against ${summary.y}) that the member has; rule ${study.rule}. ${
        selected(part)
      }`,
    across: "member, verdict",
    groups: groupsOf(part),
  });
}

function Segments({ part }: { readonly part: StudyPart }) {
  const groups = groupsOf(part);
  if (groups.length === 0) {
    return <Missing what="No segment sums are stored for this study." mend="npx culprit study ..." />;
  }
  return (
    <>
      <h3>Relevance by segment, corrected or not</h3>
      <Figure drawing={segmentsDrawing(part)} />
      <Table
        head={["member, verdict", "n", ...SEGMENTS]}
        rows={groups.map(({ label, count, means }) => [label, count, ...SEGMENTS.map((name) => fixed(means[name]))])}
      />
    </>
  );
}

export function membersDrawing(part: StudyPart, seed: number): Drawing {
  const { study, summary } = part;
  // Sizes and steps lie far apart: members stand at equal distances, in order.
  return intervalLines({
    name: `${study.name}-members`,
    title: "Mean delta by member",
    note: `n = ${summary.all} pairs that every member has; 95 % bootstrap intervals over pairs, seed ${seed}; rule ` +
      `${study.rule}. ${selected(part)}`,
    across: {
      label: study.kind === "training" ? "checkpoint" : "size",
      names: summary.members.map(({ label }) => label),
    },
    up: { label: "mean delta" },
    lines: [{ label: "", values: summary.members.map(({ delta }) => delta) }],
  });
}

function Checkpoints({ part, seed }: { readonly part: StudyPart; readonly seed: number }) {
  const members = part.summary.members.filter(({ delta }) => delta !== null);
  return (
    <>
      <h3>Mean delta along the series</h3>
      {members.length === 0
        ? <Missing what="No pair is attributed on every member." mend="npx culprit study ..." />
        : (
          <>
            <Figure drawing={membersDrawing(part, seed)} />
            <Table
              head={["member", "attributed", "mean delta [95 %]", "delta > 1"]}
              rows={members.map(({ label, attributed, delta, failing }) => [
                label,
                attributed,
                interval(delta),
                failing === null ? "–" : percent(failing, 1),
              ])}
            />
          </>
        )}
    </>
  );
}
