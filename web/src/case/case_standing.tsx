/** @jsxImportSource preact */
/** What became of a case, why the response failed, and what annotators said of it. */
import { STATUS_TERMS, statusName } from "../shell/names.ts";
import { Term } from "../shell/term.tsx";
import type { Case } from "../heat/documents.ts";

export function CaseStatusBadge({ failureCase: { status, exclusion } }: { readonly failureCase: Case }) {
  return (
    <strong class={`status ${status.toLowerCase()}`}>
      <Term of={STATUS_TERMS[status]}>{statusName(status, exclusion)}</Term>
    </strong>
  );
}

/** Nothing where there is nothing to say. */
export function CaseStanding({ failureCase }: { readonly failureCase: Case }) {
  const { exclusionNote, reviewer, verdict, annotations } = failureCase;
  const decided = [
    ...exclusionNote === null ? [] : [exclusionNote],
    ...reviewer === null ? [] : [`decided by ${reviewer}`],
  ].join(", ");
  if (decided === "" && verdict?.reason == null && annotations.length === 0) return null;
  return (
    <div class="standing small">
      {decided === "" ? null : <p>{decided}</p>}
      {verdict?.reason == null ? null : (
        <p class="quiet">
          The <Term of="checker">checker</Term> says: {verdict.reason}
        </p>
      )}
      {annotations.length === 0 ? null : (
        <ul>
          {annotations.map(({ id, annotator, decision, position, reason }) => (
            <li key={id} class="quiet">
              {annotator}: {decision === "EXCLUDE" ? "leave out" : `wrong token at ${position} of the response`}
              {reason === "" ? "" : `, ${reason}`}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
