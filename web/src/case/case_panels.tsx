/** @jsxImportSource preact */
/** What people say of a case beside its views: where the search looked, the constraint's tokens, the pair by hand. */
import type { Case, Pair, Token } from "../heat/documents.ts";
import { Fold } from "../shell/fold.tsx";
import { AnnotatePanel } from "./annotate_panel.tsx";
import { SegmentsPanel } from "./segments_panel.tsx";
import { VisitedPositions } from "./visited_positions.tsx";

export function CasePanels(props: {
  readonly failureCase: Case;
  readonly pair: Pair | undefined;
  readonly tokens: readonly Token[] | undefined;
  /** The case is another one now. */
  readonly onCase: () => void;
  readonly onTokens: () => void;
}) {
  const { failureCase, pair, tokens, onCase, onTokens } = props;
  return (
    <>
      {failureCase.visitedPositionCount === 0 ? null : <VisitedPositions failureCase={failureCase} />}
      {tokens === undefined ? null : (
        <Fold title="Say which tokens of the prompt state the constraint">
          {() => (
            <SegmentsPanel
              failureCase={failureCase}
              tokens={tokens}
              onDone={() => {
                onCase();
                onTokens();
              }}
            />
          )}
        </Fold>
      )}
      {failureCase.completionTokenCount === 0
        ? null
        : (
          <Fold title="Mark the wrong and the right token by hand" open={pair === undefined}>
            {() => <AnnotatePanel failureCase={failureCase} pair={pair} onDone={onCase} />}
          </Fold>
        )}
    </>
  );
}
