/** @jsxImportSource preact */
/** A line of the case list. On a narrow screen it is a card of a few lines. */
import { OUTCOMES, PATTERNS, RULE_NAMES, STATUS_TERMS, statusName } from "../shell/names.ts";
import type { CaseLine } from "./read_cases.ts";
import { signed } from "../heat/relevance.ts";
import { lastWords } from "./text_before.ts";
import { formatRoute } from "../shell/route.ts";
import { TokenBox } from "../heat/token_glyphs.tsx";

/** What the classifier says, as short as it goes; its meaning shows when one points at it. */
function Finding({ shown }: Pick<CaseLine, "shown">) {
  if (shown?.outcome == null) return null;
  const outcome = OUTCOMES[shown.outcome];
  if (shown.pattern === null) return <span class="quiet" data-term={outcome.term}>{outcome.name}</span>;
  const pattern = PATTERNS[shown.pattern];
  return <span data-term={pattern.term}>{pattern.name}</span>;
}

function Strongest({ line: { shown, pair } }: { readonly line: CaseLine }) {
  if (shown === undefined) return pair === undefined ? null : <span class="quiet">not attributed</span>;
  const [red, blue] = [shown.red[0], shown.blue[0]];
  return (
    <span class="strongest" title={`Strongest tokens by ${RULE_NAMES[shown.rule]}`}>
      {red === undefined ? null : <TokenBox text={red.text} side="red" />}
      {blue === undefined ? null : <TokenBox text={blue.text} side="blue" />}
    </span>
  );
}

export function CaseRow({ line, row }: {
  readonly line: CaseLine;
  /** Row of the whole table, counted from 1; the head is the first. */
  readonly row: number;
}) {
  return (
    <tr aria-rowindex={row}>
      <td class="case">
        <a href={formatRoute(line.to)} title={`${line.benchmark}, ${line.task}`}>{line.key}</a>
        <span class="quiet small of-case">{line.model}, {line.tokenCount.toLocaleString("en")} tokens</span>
      </td>
      <td class="before">
        <span>
          <span>{lastWords(line.textBefore)}</span>
        </span>
      </td>
      <td class="pair">
        {line.pair === undefined
          ? <span class="quiet" data-term={STATUS_TERMS[line.status]}>{statusName(line.status, line.exclusion)}</span>
          : <TokenBox text={line.pair.target.text} side="red" />}
      </td>
      <td class="pair right">
        {line.pair === undefined ? null : <TokenBox text={line.pair.contrast.text} side="blue" />}
        {line.otherPairs > 0 ? <span class="quiet small">{` and ${line.otherPairs} more`}</span> : null}
      </td>
      <td class="number delta" data-label="Delta">{line.delta === null ? "" : signed(line.delta)}</td>
      <td class="finding">
        <Finding shown={line.shown} />
      </td>
      <td class="strong-tokens">
        <Strongest line={line} />
      </td>
    </tr>
  );
}
