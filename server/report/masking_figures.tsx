/** @jsxImportSource preact */
/** Masking experiments: flip rates as curves, areas and faithfulness as tables. */
import { curves } from "../../figures/curves.tsx";
import { fixed, interval } from "../../figures/number_text.ts";
import type { Drawing } from "../../figures/picture.tsx";
import { RANKINGS } from "../../figures/ranking_names.ts";
import { Figure, Missing, Table } from "./parts.tsx";
import type { MaskingPart, Report } from "./read_report.ts";

export function MaskingSection({ masking: part, seed }: Report) {
  if (part === null) {
    return <Missing what="No masking experiment of this selection is stored." mend="npx culprit run --stages mask" />;
  }
  const { budget, summary: { summaries, comparisons } } = part;
  const paired = comparisons.filter(({ first }) => first === "attnlrp");
  return (
    <>
      {flipDrawings(part, seed).map((drawing) => <Figure key={drawing.name} drawing={drawing} />)}
      <Table
        head={[
          "replacement, ranking",
          "n",
          "area, away",
          "median",
          "mean, flipped",
          "censored",
          "area, to contrast",
          "area, passes",
        ]}
        rows={summaries.map(({ replacement, ranking, cases, away, contrast, passes }) => [
          `${replacement}, ${ranking}`,
          cases,
          interval(away.area),
          away.medianTokens === null ? `> ${budget}` : fixed(away.medianTokens, 1),
          fixed(away.meanTokensReached, 1),
          `${away.censored} of ${away.reached + away.censored}`,
          contrast === null ? "–" : interval(contrast.area),
          passes === null ? "–" : interval(passes.area),
        ])}
      />
      <p>
        <small>
          Area under the flip-rate curve,{" "}
          {settingsOf(part, seed)}. Random and lowest-ranked are controls; random orders are averaged within a case.
          Median tokens until the flip over all curves; the mean is over flipped ones alone, so it is too small where
          some are censored. Censored: no flip within the budget, counted as later than that. Passes: – where no
          completion was checked.
        </small>
      </p>
      <Table
        head={["faithfulness", "n", "comprehensiveness", "sufficiency"]}
        rows={summaries.map(({ replacement, ranking, cases, comprehensiveness, sufficiency }) => [
          `${replacement}, ${ranking}`,
          cases,
          interval(comprehensiveness.probability),
          interval(sufficiency.probability),
        ])}
      />
      <p>
        <small>
          Mean loss of the target's probability: with the top-ranked tokens masked (high is good), and with all others
          masked (low is good); docs/masking.md.
        </small>
      </p>
      {paired.length === 0 ? null : (
        <Table
          head={["difference of areas, paired by case", "n", "mean [95 %]", ""]}
          rows={paired.map(({ replacement, first, second, difference, beats }) => [
            `${replacement}: ${first} − ${second}`,
            difference.count,
            interval(difference),
            beats ? "above zero" : difference.high < 0 ? "below zero" : "zero is inside",
          ])}
        />
      )}
    </>
  );
}

const settingsOf = ({ budget, answerToo }: MaskingPart, seed: number): string =>
  `at most ${budget} tokens of ${answerToo ? "prompt and answer" : "the prompt"}; seed ${seed}`;

/** Flip rates against the number of masked tokens, a figure for each replacement. */
export function flipDrawings(part: MaskingPart, seed: number): readonly Drawing[] {
  const { summary: { summaries } } = part;
  return [...new Set(summaries.map(({ replacement }) => replacement))].map((replacement) => {
    const own = summaries.filter((one) => one.replacement === replacement);
    const counts = own.map(({ cases }) => cases);
    const [least, most] = [Math.min(...counts), Math.max(...counts)];
    return curves({
      name: `masking-${replacement}`,
      title: `Flip rate against tokens masked, ${replacement}`,
      note:
        `Replacement ${replacement}, ${settingsOf(part, seed)}; n = ${
          least === most ? least : `${least} to ${most}`
        } ` +
        "cases of the selection that were masked so.",
      across: "tokens masked",
      up: { label: "share flipped away", low: 0, high: 1 },
      curves: own.map(({ ranking, away }) => ({
        label: RANKINGS[ranking].name,
        series: RANKINGS[ranking].series,
        points: away.rate.map((rate, masked) => [masked, rate] as const),
      })),
    });
  });
}
