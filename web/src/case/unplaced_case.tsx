/** @jsxImportSource preact */
/** A case without a token pair: its text, and where it is open the search for one. */
import { request } from "../shell/client.ts";
import { follow } from "../jobs/job_store.ts";
import { WorkBox } from "../jobs/work_box.tsx";
import type { Case, Token } from "../heat/documents.ts";
import type { View } from "../heat/heat_value.ts";
import { TokenFlow } from "../heat/token_flow.tsx";
import { Empty } from "../shell/notice.tsx";
import { SEARCH_CASE } from "./documents.ts";

/** Text without colours. */
const PLAIN: View = { values: "raw", special: false };

async function searchCase({ key, model }: Case): Promise<string> {
  return follow((await request(SEARCH_CASE, { cases: { key, model: model.name } })).findTokenPairs);
}

export function UnplacedCase({ failureCase, tokens }: {
  readonly failureCase: Case;
  readonly tokens: readonly Token[] | undefined;
}) {
  const isOpen = failureCase.status === "OPEN";
  return (
    <>
      {isOpen
        ? (
          <WorkBox
            what="its token pair"
            standing="is not known yet. A search forces the best alternatives at each position and checks what follows; or mark it below."
            verb="Search this case"
            start={() => searchCase(failureCase)}
          />
        )
        : (
          <Empty title="No token pair">
            <p class="quiet">Without a wrong token and a right alternative there is nothing to attribute.</p>
          </Empty>
        )}
      {tokens === undefined ? null : (
        <div class="flow">
          <TokenFlow
            tokens={tokens}
            promptTokens={failureCase.promptTokens}
            heat={undefined}
            view={PLAIN}
            asked={undefined}
            end={null}
          />
        </div>
      )}
    </>
  );
}
