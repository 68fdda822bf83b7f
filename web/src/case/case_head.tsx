/** @jsxImportSource preact */
/** What a case is: its name, what became of it, and where it comes from. */
import type { Case } from "../heat/documents.ts";
import { CaseStanding, CaseStatusBadge } from "./case_standing.tsx";

export function CaseHead({ failureCase }: { readonly failureCase: Case }) {
  return (
    <header class="case-head">
      <h1>{failureCase.key}</h1>
      <p class="facts">
        <CaseStatusBadge failureCase={failureCase} />
        <span>{failureCase.benchmark}, {failureCase.task}</span>
        <span>{failureCase.model.name}, {failureCase.model.layers} blocks</span>
        <span class="number">{failureCase.tokenCount.toLocaleString("en")} tokens</span>
      </p>
      <CaseStanding failureCase={failureCase} />
    </header>
  );
}
