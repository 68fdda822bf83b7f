/** @jsxImportSource preact */
/** Mean relevance by segment of the prompt, for groups of pairs beside each other. */
import { fixed, type Interval } from "./number_text.ts";
import { type Drawing, px } from "./picture.tsx";
import { ends, plane, withAxes, Zero } from "./plane.tsx";
import { seriesClass } from "./style.ts";

export const SEGMENTS = ["instruction", "query", "answer", "special"] as const;
export type SegmentWord = (typeof SEGMENTS)[number];

export interface SegmentGroup {
  readonly label: string;
  /** Pairs in its means. */
  readonly count: number;
  /** Sums of normalised relevance; `low` and `high` where an interval is known. */
  readonly means: Readonly<Partial<Record<SegmentWord, number | Interval>>>;
}

const valueOf = (mean: number | Interval): number => typeof mean === "number" ? mean : mean.value;
/** Colours begin with the second: the first is ink, which whiskers have. */
const barClass = (segment: SegmentWord): string => `column ${seriesClass(SEGMENTS.indexOf(segment) + 1)}`;

export function segmentBars(props: {
  readonly name: string;
  readonly title: string;
  readonly note: string;
  /** What groups are. */
  readonly across: string;
  readonly groups: readonly SegmentGroup[];
}): Drawing {
  const { groups } = props;
  const shown = SEGMENTS.filter((segment) => groups.some(({ means }) => means[segment] !== undefined));
  const values = groups.flatMap(({ means }) =>
    Object.values(means).flatMap((mean) => typeof mean === "number" ? [mean] : [mean.low, mean.high, mean.value])
  );
  const area = plane({ label: props.across, names: groups.map(({ label }) => label) }, {
    label: "mean sum of normalised relevance",
    ...ends(values, 0),
  }, { height: groups.length > 8 ? 440 : 320 });
  const step = 0.8 / Math.max(1, shown.length);
  const entries = shown.map((segment) => ({
    mark: <rect class={barClass(segment)} width={14} height={12} />,
    text: segment,
  }));
  return {
    name: props.name,
    title: props.title,
    note: props.note,
    ...withAxes(
      area,
      entries,
      <>
        {groups.map(({ label, count, means }, at) =>
          shown.map((segment, index) => {
            const mean = means[segment];
            if (mean === undefined) return null;
            const value = valueOf(mean);
            const left = area.x(at + 0.1 + index * step);
            const width = 0.9 * (area.x(at + step) - area.x(at));
            const [top, bottom] = [area.y(Math.max(value, 0)), area.y(Math.min(value, 0))];
            return (
              <g key={`${at} ${segment}`}>
                <title>{`${label}, ${segment}: ${fixed(value)} (n = ${count})`}</title>
                <rect
                  class={barClass(segment)}
                  x={px(left)}
                  y={px(top)}
                  width={px(width)}
                  height={px(Math.max(bottom - top, 0.5))}
                />
                {typeof mean === "number" ? null : (
                  <line
                    class="whisker"
                    x1={px(left + width / 2)}
                    x2={px(left + width / 2)}
                    y1={px(area.y(mean.low))}
                    y2={px(area.y(mean.high))}
                  />
                )}
              </g>
            );
          })
        )}
        <Zero plane={area} />
      </>,
    ),
    table: {
      columns: [props.across, "pairs", "segment", "mean sum of normalised relevance", "low", "high"],
      rows: groups.flatMap(({ label, count, means }) =>
        shown.flatMap((segment) => {
          const mean = means[segment];
          if (mean === undefined) return [];
          const [low, high] = typeof mean === "number" ? [null, null] : [mean.low, mean.high];
          return [[label, count, segment, valueOf(mean), low, high]];
        })
      ),
    },
  };
}
