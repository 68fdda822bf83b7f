/** @jsxImportSource preact */
/** A line of the case list. On a narrow screen it is a card of three lines. */
import { RULE_NAMES, statusName } from "../shell/names.ts";
import type { CaseLine } from "./read_cases.ts";
import { signed } from "../heat/relevance.ts";
import { lastWords } from "./text_before.ts";
import { formatRoute } from "../shell/route.ts";
import { TokenBox } from "../heat/token_glyphs.tsx";

/** Names of rules for a narrow column. */
const SHORT_NAMES = { ...RULE_NAMES, GRADIENT: "Gradient" } as const;

export function CaseRow({ line, row }: {
  readonly line: CaseLine;
  /** Row of the whole table, counted from 1; the head is the first. */
  readonly row: number;
}) {
  return (
    <tr aria-rowindex={row}>
      <td class="case">
        <a href={formatRoute(line.to)} title={`${line.benchmark}, ${line.task}`}>{line.key}</a>
      </td>
      <td class="before">
        <span>
          <span>{lastWords(line.textBefore)}</span>
        </span>
      </td>
      <td class="pair">
        {line.pair === undefined
          ? <span class="quiet">{statusName(line.status, line.exclusion)}</span>
          : <TokenBox text={line.pair.target.text} side="red" />}
      </td>
      <td class="pair right">
        {line.pair === undefined ? null : <TokenBox text={line.pair.contrast.text} side="blue" />}
        {line.otherPairs > 0 ? <span class="quiet small">{` and ${line.otherPairs} more`}</span> : null}
      </td>
      <td class="number delta" data-label="Delta">{line.delta === null ? "" : signed(line.delta)}</td>
      <td class="number count" data-label="Tokens">{line.tokenCount.toLocaleString("en")}</td>
      <td class="attributed">
        <ul class="rules">
          {line.rules.length === 0
            ? <li class="missing">not yet</li>
            : line.rules.map((rule) => <li key={rule} title={RULE_NAMES[rule]}>{SHORT_NAMES[rule]}</li>)}
        </ul>
      </td>
    </tr>
  );
}
