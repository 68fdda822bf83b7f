/** @jsxImportSource preact */
/** One token pair of a case: what parts the two tokens, why, and the views of it. */
import { GraphSection } from "../graph/graph_section.tsx";
import type { Case, Pair, Token } from "../heat/documents.ts";
import { HeatFigure } from "../heat/heat_figure.tsx";
import { Verdict } from "../heat/verdict.tsx";
import { AblationSection } from "../masking/ablation_section.tsx";
import { MaskingSection } from "../masking/masking_section.tsx";
import { Choice } from "../shell/choice.tsx";
import { Fold } from "../shell/fold.tsx";
import { Waiting } from "../shell/notice.tsx";
import { type CaseRoute, formatRoute, traceRoute } from "../shell/route.ts";
import { go } from "../shell/use_route.ts";
import { Candidates } from "./candidates.tsx";
import { CompareSection } from "./compare_section.tsx";
import { DiagnosisBox } from "./diagnosis_box.tsx";
import { ObjectivePanel } from "./objective_panel.tsx";

interface PairProps {
  readonly route: CaseRoute;
  readonly failureCase: Case;
  readonly pair: Pair;
}

function View(props: PairProps & { readonly tokens: readonly Token[] }) {
  switch (props.route.view) {
    case "heat":
      return <HeatFigure {...props} onChange={(part) => go({ ...props.route, ...part }, "replace")} />;
    case "compare":
      return <CompareSection {...props} />;
    case "graph":
      return <GraphSection {...props} />;
    case "masking":
      return (
        <>
          <MaskingSection
            route={props.route}
            key={props.pair.id}
            name={props.failureCase.key}
            pair={props.pair}
            tokens={props.tokens}
          />
          <AblationSection key={`${props.pair.id} ablation`} pair={props.pair} name={props.failureCase.key} />
        </>
      );
  }
}

export function PairViews(
  props: PairProps & {
    /** Undefined while they are read. */
    readonly tokens: readonly Token[] | undefined;
  },
) {
  const { route, failureCase, pair, tokens } = props;
  return (
    <>
      <Verdict pair={pair} />
      <DiagnosisBox key={`diagnosis ${pair.id}`} pair={pair} />
      {tokens === undefined ? <Waiting what="tokens" /> : (
        <>
          <Choice
            label="View"
            tabs
            value={route.view}
            options={[
              { value: "heat", label: "heatmap", title: "Relevance over the text" },
              { value: "compare", label: "compare", title: "Two rules or two models side by side" },
              { value: "graph", label: "graph", title: "How relevance flowed between tokens and layers" },
              { value: "masking", label: "masking", title: "What flips when tokens are masked" },
            ]}
            onChange={(view) => go({ ...route, view }, "replace")}
          />
          {failureCase.tokenCount > failureCase.promptTokens
            ? (
              <p class="small">
                <a href={formatRoute({ ...traceRoute(pair.id), rule: route.rule })}>Through its own words</a>
                <span class="quiet">: which steps of the completion led to the error, and what they rest on</span>
              </p>
            )
            : null}
          <View route={route} failureCase={failureCase} pair={pair} tokens={tokens} />
        </>
      )}
      <Fold key={`objectives ${pair.id}`} title="Explain something else than this pair of tokens">
        {() => <ObjectivePanel pair={pair} rule={route.rule} />}
      </Fold>
      <Candidates key={`candidates ${pair.id}`} route={route} pair={pair} failureCase={failureCase} />
    </>
  );
}
