/** A study's figures: scatter, segment bars, mean delta along the series. */
import { type StudyVerdict, verdictOf, VERDICTS } from "../studies/summary.ts";
import { chart, dot, legend, polyline, px, span } from "./chart.ts";
import { escape, figure, fixed, interval, missing, percent, table } from "./html.ts";
import type { Report, StudyPart } from "./read_report.ts";

const COLOURS: Readonly<Record<StudyVerdict, string>> = {
  corrected: "#1b7837",
  not_corrected: "#b2182b",
  undecided: "#7f7f7f",
};
const NAMES: Readonly<Record<StudyVerdict, string>> = {
  corrected: "corrected (x > 1, y < −1)",
  not_corrected: "not corrected (y > 1)",
  undecided: "undecided",
};
const SEGMENTS = { instruction: "#2166ac", query: "#92c5de", answer: "#f4a582", special: "#999999" } as const;

export function studySection({ studyPart, study, seed }: Report): string {
  if (studyPart === null) {
    const what = study === undefined ? "No study is stored." : `There is no study ${escape(JSON.stringify(study))}.`;
    return missing(what, "npx culprit study --series FILE");
  }
  return scatter(studyPart) + segments(studyPart) + checkpoints(studyPart, seed);
}

function scatter({ study, summary, points }: StudyPart): string {
  if (points.length === 0) return missing("No pair is attributed on both ends of the series.", "npx culprit study ...");
  const { x, y, counts, both } = summary;
  const across = span(points.map((point) => point.x), [-1, 1]);
  const up = span(points.map((point) => point.y), [-1, 1]);
  const plane = chart({ label: `delta on ${x}`, ...across }, { label: `delta on ${y}`, ...up });
  const line = (x1: number, y1: number, x2: number, y2: number) =>
    `<line class="mark" x1="${px(plane.x(x1))}" y1="${px(plane.y(y1))}" x2="${px(plane.x(x2))}" y2="${
      px(plane.y(y2))
    }"/>`;
  const marks = [
    line(1, up.low, 1, up.high),
    line(across.low, 1, across.high, 1),
    line(across.low, -1, across.high, -1),
    ...points.map((point) => {
      const verdict = verdictOf(point.x, point.y);
      return dot(
        plane.x(point.x),
        plane.y(point.y),
        COLOURS[verdict],
        `${fixed(point.x)}, ${fixed(point.y)}: ${NAMES[verdict]}`,
        3.5,
      );
    }),
  ].join("");
  const key = legend(VERDICTS.map((verdict) => [COLOURS[verdict], `${NAMES[verdict]}: ${counts[verdict]}`]));
  return "<h3>Delta of the same pairs on two members</h3>" + figure(
    plane.draw(marks, `Scatter of delta on ${x} and ${y}`) + key,
    `Study “${escape(study.name)}”, series “${escape(study.series)}”, rule ${study.rule}; n = ${both} of ` +
      `${summary.pairs} pairs that both members have. Dashed lines: x = 1, y = ±1.`,
  );
}

function segments({ study, summary }: StudyPart): string {
  const groups = summary.members.flatMap(({ label, segments: rows }) =>
    rows.flatMap(({ verdict, count, means }) =>
      means === null || verdict === null ? [] : [{ label, verdict, count, means }]
    )
  );
  if (groups.length === 0) return missing("No segment sums are stored for this study.", "npx culprit study ...");
  const values = groups.flatMap(({ means }) => Object.values(means));
  const members = summary.members;
  const plane = chart(
    {
      label: "member",
      low: 0,
      high: members.length,
      ticks: members.map(({ label }, index) => ({ at: index + 0.5, text: label })),
    },
    { label: "mean sum of normalised relevance", ...span(values, [0]) },
  );
  const names = Object.keys(SEGMENTS) as (keyof typeof SEGMENTS)[];
  const shown = VERDICTS.filter((verdict) => groups.some((group) => group.verdict === verdict));
  const step = 0.86 / (shown.length * (names.length + 1));
  const bars = groups.map(({ label, verdict, count, means }) =>
    names.map((name, index) => {
      const at = members.findIndex((member) => member.label === label) + 0.07 +
        (shown.indexOf(verdict) * (names.length + 1) + index) * step;
      const [from, to] = [plane.y(0), plane.y(means[name])].toSorted((a, b) => a - b) as [number, number];
      const width = plane.x(at + step) - plane.x(at);
      return `<rect x="${px(plane.x(at))}" y="${px(from)}" width="${px(width * 0.9)}" height="${
        px(Math.max(to - from, 0.5))
      }" ` +
        `fill="${SEGMENTS[name]}" stroke="${COLOURS[verdict]}"><title>${escape(label)}, ${NAMES[verdict]}, ${name}: ` +
        `${fixed(means[name])} (n = ${count})</title></rect>`;
    }).join("")
  ).join("");
  const zero = `<line class="zero" x1="${px(plane.x(0))}" y1="${px(plane.y(0))}" x2="${
    px(plane.x(members.length))
  }" y2="${px(plane.y(0))}"/>`;
  const rows = groups.map(({ label, verdict, count, means }) => [
    `${escape(label)}, ${verdict.replace("_", " ")}`,
    String(count),
    ...names.map((name) => fixed(means[name])),
  ]);
  return "<h3>Relevance by segment, corrected or not</h3>" + figure(
    plane.draw(bars + zero, "Segment sums by member and verdict") +
      legend([
        ...names.map((name) => [SEGMENTS[name], name] as const),
        ...shown.map((verdict) => [COLOURS[verdict], `outline: ${verdict.replace("_", " ")}`] as const),
      ]),
    `At the embeddings, divided by the largest |relevance| of tokens that are not special; means over the pairs of each ` +
      `verdict (${escape(summary.x)} against ${escape(summary.y)}) that the member has; rule ${study.rule}.`,
  ) + table(["member, verdict", "n", ...names], rows);
}

function checkpoints({ study, summary }: StudyPart, seed: number): string {
  const members = summary.members.filter(({ delta }) => delta !== null);
  const head = `<h3>Mean delta along the series</h3>`;
  if (members.length === 0) return head + missing("No pair is attributed on every member.", "npx culprit study ...");
  const ends = members.flatMap(({ delta }) => [delta!.low, delta!.high]);
  // Sizes and steps lie far apart: members stand at equal distances, in order.
  const plane = chart(
    {
      label: study.kind === "training" ? "checkpoint" : "size",
      low: -0.5,
      high: members.length - 0.5,
      ticks: members.map(({ label }, at) => ({ at, text: label })),
    },
    { label: "mean delta", ...span(ends, [0]) },
  );
  const line = polyline(members.map(({ delta }, at) => [plane.x(at), plane.y(delta!.value)] as const), "#2166ac");
  const marks = members.map(({ label, delta }, at) =>
    `<line stroke="#2166ac" stroke-width="2" x1="${px(plane.x(at))}" y1="${px(plane.y(delta!.low))}" x2="${
      px(plane.x(at))
    }" y2="${px(plane.y(delta!.high))}"/>` +
    dot(plane.x(at), plane.y(delta!.value), "#2166ac", `${label}: ${interval(delta)}`)
  ).join("");
  const zero = `<line class="zero" x1="${px(plane.x(-0.5))}" y1="${px(plane.y(0))}" x2="${
    px(plane.x(members.length - 0.5))
  }" y2="${px(plane.y(0))}"/>`;
  const rows = members.map(({ label, attributed, delta, failing }) => [
    escape(label),
    String(attributed),
    interval(delta),
    failing === null ? "–" : percent(failing, 1),
  ]);
  return head + figure(
    plane.draw(zero + line + marks, "Mean delta by member"),
    `n = ${summary.all} pairs that every member has; 95 % bootstrap intervals over pairs, seed ${seed}; rule ${study.rule}.`,
  ) + table(["member", "attributed", "mean delta [95 %]", "delta > 1"], rows);
}
