/** @jsxImportSource preact */
/** A line of the case list. On a narrow screen its cells stand under each other, labelled. */
import { RULE_NAMES } from "./names.ts";
import type { CaseLine } from "./read_cases.ts";
import { signed } from "./relevance.ts";
import { formatRoute } from "./route.ts";
import { TokenBox } from "./token_glyphs.tsx";

export function CaseRow({ line }: { readonly line: CaseLine }) {
  return (
    <tr>
      <td class="case" data-label="Case">
        <a href={formatRoute(line.to)}>{line.key}</a>
      </td>
      <td data-label="Benchmark">{line.benchmark}</td>
      <td data-label="Task">{line.task}</td>
      <td data-label="Wrong token">
        {line.pair === undefined
          ? <span class="quiet">no pair</span>
          : <TokenBox text={line.pair.target.text} side="red" />}
      </td>
      <td data-label="Right token">
        {line.pair === undefined ? null : <TokenBox text={line.pair.contrast.text} side="blue" />}
        {line.otherPairs > 0 ? <span class="quiet small">{` and ${line.otherPairs} more`}</span> : null}
      </td>
      <td class="number" data-label="Delta">{line.delta === null ? "" : signed(line.delta)}</td>
      <td class="number" data-label="Tokens">{line.tokenCount.toLocaleString("en")}</td>
      <td data-label="Attributed">
        <ul class="rules">
          {line.rules.length === 0
            ? <li class="missing">not yet</li>
            : line.rules.map((rule) => <li key={rule}>{RULE_NAMES[rule]}</li>)}
        </ul>
      </td>
    </tr>
  );
}
