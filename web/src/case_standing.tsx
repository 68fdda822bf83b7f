/** @jsxImportSource preact */
/** What became of a case, why the answer failed, and what annotators said of it. */
import { statusName } from "./names.ts";
import type { Case } from "./operations/case.ts";

export function CaseStanding({ failureCase }: { readonly failureCase: Case }) {
  const { status, exclusion, exclusionNote, reviewer, verdict, annotations } = failureCase;
  return (
    <div class="standing small">
      <p>
        <strong>{statusName(status, exclusion)}</strong>
        {exclusionNote === null ? "" : ` (${exclusionNote})`}
        {reviewer === null ? "" : `, decided by ${reviewer}`}
      </p>
      {verdict?.reason == null ? null : <p class="quiet">The checker says: {verdict.reason}</p>}
      {annotations.length === 0 ? null : (
        <ul>
          {annotations.map(({ id, annotator, decision, position, reason }) => (
            <li key={id} class="quiet">
              {annotator}: {decision === "EXCLUDE" ? "leave out" : `wrong token at ${position} of the answer`}
              {reason === "" ? "" : `, ${reason}`}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
