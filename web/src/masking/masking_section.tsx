/** @jsxImportSource preact */
/** Masking: by hand, and delta while the tokens of a ranking are masked one after another. */
import { useEffect } from "preact/hooks";
import { FigureFrame } from "../shell/figure_frame.tsx";
import { ofType } from "../shell/graphql.ts";
import { Choice } from "../shell/choice.tsx";
import { request } from "../shell/client.ts";
import { ComputedOn } from "../jobs/computed_on.tsx";
import { mask, useEndedJobs } from "../jobs/job_store.ts";
import { FlipTable, MaskedFirst } from "./flip_table.tsx";
import { MaskByHand } from "./mask_by_hand.tsx";
import { curvesOf, drawCurves, noteOf, REPLACEMENT_NAMES } from "./masking_curves.ts";
import { Trouble, Waiting } from "../shell/notice.tsx";
import type { Pair, Token } from "../heat/documents.ts";
import { READ_MASKING } from "./documents.ts";
import { type CaseRoute, REPLACEMENTS } from "../shell/route.ts";
import { useLoad } from "../shell/use_load.ts";
import { go } from "../shell/use_route.ts";
import { WorkBox } from "../jobs/work_box.tsx";

export function MaskingSection(props: {
  readonly route: CaseRoute;
  /** The case's key, for the names of files. */
  readonly name: string;
  readonly pair: Pair;
  readonly tokens: readonly Token[];
}) {
  const { route, name, pair, tokens } = props;
  const { replacement, scope } = route;
  const change = (part: Partial<CaseRoute>) => go({ ...route, ...part }, "replace");
  const ended = useEndedJobs();
  const reading = useLoad(
    `masking ${pair.id}`,
    async (signal) =>
      ofType((await request(READ_MASKING, { id: pair.id }, signal)).node, "TokenPair")?.maskingExperiments ?? [],
  );
  useEffect(() => {
    if (ended > 0) reading.reload();
  }, [ended]);
  const ofReplacement = reading.data?.filter((one) => one.replacement === replacement) ?? [];
  const stored = ofReplacement.filter((one) => one.ranking !== "CHOSEN" && one.scope === scope);
  const budget = Math.max(0, ...stored.map((one) => one.budget));
  const curves = curvesOf(stored.filter((one) => one.budget === budget));
  const first = stored.find(({ ranking }) => ranking === "ATTNLRP");
  return (
    <section class="masking" aria-label="Masking experiments" aria-busy={reading.loading}>
      <div class="controls">
        <Choice
          label="A masked token is"
          term="replacement"
          value={replacement}
          options={REPLACEMENTS.map((value) => ({ value, label: REPLACEMENT_NAMES[value] }))}
          onChange={(replacement) => change({ replacement })}
        />
        <Choice
          label="Masked may be tokens of"
          value={scope}
          options={[{ value: "PROMPT", label: "the prompt" }, { value: "ALL", label: "prompt and answer" }]}
          onChange={(scope) => change({ scope })}
        />
      </div>
      <MaskByHand
        key={replacement}
        pair={pair}
        tokens={tokens}
        replacement={replacement}
        chosen={route.masked.filter((position) => position < tokens.length - 1)}
        onChoose={(masked) => change({ masked })}
        known={ofReplacement.filter(({ ranking }) => ranking === "CHOSEN")}
      />
      {reading.error === undefined ? null : <Trouble error={reading.error} onRetry={reading.reload} />}
      {reading.data === undefined ? reading.error === undefined ? <Waiting what="masking experiments" /> : null : null}
      {reading.data !== undefined && curves.length === 0
        ? (
          <WorkBox
            key={`${replacement} ${scope}`}
            what="the masking curve"
            plan={{ work: "MASK", tokenPairIds: [pair.id], replacements: [replacement] }}
            start={() => mask(pair.id, replacement, scope)}
          />
        )
        : null}
      {curves.length === 0 ? null : (
        <>
          <FigureFrame
            drawing={drawCurves(
              curves,
              `masking-${name}-${replacement.toLowerCase()}`,
              noteOf(pair, replacement, scope),
            )}
          />
          <FlipTable curves={curves} />
          {first === undefined ? null : <MaskedFirst experiment={first} tokens={tokens} />}
          {stored[0] === undefined ? null : (
            <ComputedOn
              key={`${replacement} ${scope} again`}
              what="the masking curve"
              adapter={stored[0].adapter}
              plan={{ work: "MASK", tokenPairIds: [pair.id], replacements: [replacement] }}
              start={() => mask(pair.id, replacement, scope)}
            />
          )}
        </>
      )}
    </section>
  );
}
