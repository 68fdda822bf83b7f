/** The figures of a study: scatter of two members, mean delta by member, segments by member. */
import { intervalLines } from "../../../figures/interval_line.tsx";
import type { Drawing } from "../../../figures/picture.tsx";
import { scatter, type VerdictWord } from "../../../figures/scatter.tsx";
import { segmentBars } from "../../../figures/segment_bars.tsx";
import { studySelection } from "../../../figures/selection_words.ts";
import { RULE_NAMES } from "../shell/names.ts";
import { caseRoute, formatRoute } from "../shell/route.ts";
import type { Point, StudyHead, Summary, Verdict } from "./documents.ts";

const VERDICT_WORDS: Readonly<Record<Verdict, VerdictWord>> = {
  CORRECTED: "corrected",
  NOT_CORRECTED: "not corrected",
  UNDECIDED: "undecided",
};

export function studyDrawings(study: StudyHead, summary: Summary, points: readonly Point[]): readonly Drawing[] {
  const selected = studySelection(summary.pairs, summary.sources);
  const rule = `rule ${RULE_NAMES[study.rule]}`;
  const names = summary.members.map(({ label }) => label);
  const across = study.series.kind === "TRAINING" ? "checkpoint" : "size";
  return [
    scatter({
      name: `${study.name}-scatter`,
      x: summary.x,
      y: summary.y,
      points: points.map((point) => ({
        key: point.key,
        target: point.target,
        contrast: point.contrast,
        x: point.x,
        y: point.y,
        verdict: VERDICT_WORDS[point.verdict],
        to: formatRoute({
          ...caseRoute(point.failureCaseId),
          pair: point.tokenPairId,
          view: "compare",
          left: point.xAttributionId,
          right: point.yAttributionId,
        }),
      })),
      counts: { corrected: summary.corrected, "not corrected": summary.notCorrected, undecided: summary.undecided },
      note:
        `Delta of each pair, ${rule}; ${points.length} of ${summary.both} pairs that both members have are drawn. ` +
        `${selected} Dashed lines: x = 1, y = ±1.`,
    }),
    intervalLines({
      name: `${study.name}-members`,
      title: "Mean delta by member",
      note:
        `Mean delta of the pairs that every member has, with 95 % bootstrap intervals over pairs, ${rule}. ${selected}`,
      across: { label: across, names },
      up: { label: "mean delta" },
      lines: [{ label: "", values: summary.members.map(({ delta }) => delta) }],
    }),
    segmentBars({
      name: `${study.name}-segments`,
      title: "Mean normalised relevance by segment and member",
      note:
        `Relevance at the embeddings over the largest |relevance| of tokens that are not special, summed by segment; ` +
        `means over all pairs attributed on the member, ${rule}. ${selected}`,
      across,
      groups: summary.members.map(({ label, segments }) => {
        const all = segments.find(({ verdict }) => verdict === null);
        return {
          label,
          count: all?.count ?? 0,
          means: Object.fromEntries(
            (["instruction", "query", "answer"] as const).flatMap((name) => {
              const mean = all?.[name];
              return mean === undefined || mean === null ? [] : [[name, mean]];
            }),
          ),
        };
      }),
    }),
  ];
}
