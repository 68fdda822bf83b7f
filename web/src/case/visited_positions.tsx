/** @jsxImportSource preact */
/** Where the search of a case's token pair looked, and the best of what it tried there. */
import { useState } from "preact/hooks";
import { verdictOf } from "./candidates.tsx";
import { Trouble, Waiting } from "../shell/notice.tsx";
import type { Case, VisitedPosition } from "../heat/documents.ts";
import { readVisited } from "../heat/read_case.ts";
import { TokenBox } from "../heat/token_glyphs.tsx";
import { useLoad } from "../shell/use_load.ts";

/** Positions that are shown at a time. */
const PAGE = 20;

function Row({ visited }: { readonly visited: VisitedPosition }) {
  const { position, proposedBy, target, triedCount, recovered, tried } = visited;
  return (
    <tr>
      <td class="number">{position}</td>
      <td>
        <TokenBox text={target.text} side={recovered ? "red" : undefined} />
        {target.rank === 0 ? null : <span class="quiet small after">not the model's choice</span>}
      </td>
      <td class="number">
        {triedCount}
        {proposedBy === "OWN" ? null : <span class="quiet small after">the sibling's</span>}
      </td>
      <td>
        {tried.map((candidate) => (
          <span key={candidate.id} class="tried" title={candidate.completion ?? ""}>
            <TokenBox text={candidate.text} side={candidate.passed === true ? "blue" : undefined} />
            <span class="quiet small after">{verdictOf(candidate)}</span>
          </span>
        ))}
      </td>
    </tr>
  );
}

export function VisitedPositions({ failureCase }: { readonly failureCase: Case }) {
  const { id, visitedPositionCount: total, status } = failureCase;
  const [open, setOpen] = useState(status !== "CLEAN");
  const [from, setFrom] = useState(0);
  const { data, error, reload } = useLoad(
    open ? `${id} ${total} ${from}` : null,
    (signal) => readVisited(id, from, PAGE, signal),
  );
  return (
    <details
      class="annotate-box visited"
      open={open}
      onToggle={({ currentTarget }) => setOpen(currentTarget.open)}
    >
      <summary>Where the search looked: {total} {total === 1 ? "position" : "positions"}</summary>
      {error === undefined ? null : <Trouble error={error} onRetry={reload} />}
      {data === undefined ? error === undefined ? <Waiting what="positions" /> : null : (
        <div class="scroll">
          <table class="table">
            <caption class="unseen">Positions that the search visited, with the best alternatives tried there</caption>
            <thead>
              <tr>
                <th scope="col" class="number">Token</th>
                <th scope="col">Of the answer</th>
                <th scope="col" class="number">Tried</th>
                <th scope="col">Those that passed, then the best</th>
              </tr>
            </thead>
            <tbody>
              {data.map((visited) => <Row key={`${visited.proposedBy} ${visited.position}`} visited={visited} />)}
            </tbody>
          </table>
        </div>
      )}
      {total <= PAGE ? null : (
        <p class="small">
          <button type="button" class="link" disabled={from === 0} onClick={() => setFrom(Math.max(0, from - PAGE))}>
            Earlier positions
          </button>{" "}
          <button type="button" class="link" disabled={from + PAGE >= total} onClick={() => setFrom(from + PAGE)}>
            Later positions
          </button>
        </p>
      )}
    </details>
  );
}
