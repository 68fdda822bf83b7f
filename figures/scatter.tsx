/** @jsxImportSource preact */
/** A study's pairs on two members of a series: delta across and up. */
import { fixed } from "./number_text.ts";
import { type Drawing, Link, px } from "./picture.tsx";
import { ends, plane, withAxes } from "./plane.tsx";
import { quoteToken } from "./token_text.ts";

export const VERDICTS = ["corrected", "not corrected", "undecided"] as const;
export type VerdictWord = (typeof VERDICTS)[number];

const MEANING: Readonly<Record<VerdictWord, string>> = {
  corrected: "corrected (x > 1, y < −1)",
  "not corrected": "not corrected (y > 1)",
  undecided: "undecided",
};

export interface ScatterPoint {
  readonly key: string;
  readonly target: string;
  readonly contrast: string;
  /** Deltas, in logits. */
  readonly x: number;
  readonly y: number;
  readonly verdict: VerdictWord;
  /** Where it leads on a page. */
  readonly to?: string;
}

/** Shapes tell the verdicts apart without colour. */
function Mark({ verdict, x, y }: { readonly verdict: VerdictWord; readonly x: number; readonly y: number }) {
  if (verdict === "corrected") return <circle class="blue" cx={px(x)} cy={px(y)} r={4} />;
  if (verdict === "not corrected") return <rect class="red" x={px(x - 3.5)} y={px(y - 3.5)} width={7} height={7} />;
  return <path class="neither" d={`M${px(x - 4)} ${px(y)}h8M${px(x)} ${px(y - 4)}v8`} />;
}

export function scatter(props: {
  readonly name: string;
  /** Labels of the members. */
  readonly x: string;
  readonly y: string;
  readonly points: readonly ScatterPoint[];
  /** Points of each verdict; of all pairs, where not all are drawn. */
  readonly counts: Readonly<Record<VerdictWord, number>>;
  readonly note: string;
}): Drawing {
  const { points, counts } = props;
  const area = plane(
    { label: `delta on ${props.x}`, ...ends(points.map(({ x }) => x), -1, 1) },
    { label: `delta on ${props.y}`, ...ends(points.map(({ y }) => y), -1, 1) },
    { height: 400 },
  );
  const { x, y, across, up } = area;
  const bound = (x1: number, y1: number, x2: number, y2: number) => (
    <line class="bound" x1={px(x(x1))} y1={px(y(y1))} x2={px(x(x2))} y2={px(y(y2))} />
  );
  const entries = VERDICTS.map((verdict) => ({
    mark: <Mark verdict={verdict} x={7} y={6} />,
    text: `${MEANING[verdict]}: ${counts[verdict]}`,
  }));
  return {
    name: props.name,
    title: `Delta of ${points.length} token pairs on ${props.x} and on ${props.y}`,
    note: props.note,
    links: points.some(({ to }) => to !== undefined),
    ...withAxes(
      area,
      entries,
      <>
        {bound(1, up[0], 1, up[1])}
        {bound(across[0], 1, across[1], 1)}
        {bound(across[0], -1, across[1], -1)}
        {points.map((point, index) => (
          <Link
            key={index}
            to={point.to}
            title={`${point.key}: ${quoteToken(point.target)} for ${quoteToken(point.contrast)}, ${
              fixed(point.x)
            } and ${fixed(point.y)}, ${point.verdict}`}
          >
            <Mark verdict={point.verdict} x={x(point.x)} y={y(point.y)} />
          </Link>
        ))}
      </>,
    ),
    table: {
      columns: ["key", "target", "contrast", `delta on ${props.x}`, `delta on ${props.y}`, "verdict"],
      rows: points.map((point) => [point.key, point.target, point.contrast, point.x, point.y, point.verdict]),
    },
  };
}
