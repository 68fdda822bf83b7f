/** @jsxImportSource preact */
/** The heatmap of one token pair with its switches, legend, caption and the strongest tokens. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { ComputedOn } from "../jobs/computed_on.tsx";
import { DownloadLink } from "../shell/download_link.tsx";
import { heatPicture } from "../../../figures/heat_picture.tsx";
import { fileName } from "../shell/picture_files.tsx";
import { SaveFigure } from "../shell/figure_frame.tsx";
import { heatData } from "./heat_data.ts";
import { HeatCaption } from "./heat_caption.tsx";
import { HeatControls } from "./heat_controls.tsx";
import type { View } from "./heat_value.ts";
import { Legend } from "./legend.tsx";
import { attribute } from "../jobs/job_store.ts";
import { RULE_NAMES } from "../shell/names.ts";
import { Trouble, Waiting } from "../shell/notice.tsx";
import type { AttributionSummary, Case, Pair, Token } from "./documents.ts";
import { type Heat, readHeat } from "./read_case.ts";
import type { HeatState } from "../shell/route.ts";
import { StrongestTokens } from "./strongest_tokens.tsx";
import { foldsOf } from "./folds.ts";
import { TALL, TokenFlow } from "./token_flow.tsx";
import { heatOfUnits, UNIT_NAMES, unitAt, type Units, unitsOf } from "./units.ts";
import { useLoad } from "../shell/use_load.ts";
import { Fork } from "./verdict.tsx";
import { WorkBox } from "../jobs/work_box.tsx";

/** The heat to show: the one asked for, or while that is read the last one of the same attribution. */
function useSteadyHeat(heat: Heat | undefined, attributionId: string | undefined): Heat | undefined {
  const last = useRef<Heat>(undefined);
  if (heat !== undefined) last.current = heat;
  return heat ?? (last.current?.attributionId === attributionId ? last.current : undefined);
}

/** The token that is to be shown: asked for by a click, or by the address. */
function useAsked(at: number | null, total: number) {
  const known = (position: number | null) => position === null || position >= total ? undefined : { position };
  const [asked, setAsked] = useState(() => known(at));
  useEffect(() => {
    if (at !== null && asked?.position !== at) setAsked(known(at));
  }, [at]);
  return [asked, setAsked] as const;
}

/** What is shown of tokens and heat: as units, and of a long text what is folded. */
function useShown(
  props: FigureProps,
  heat: Heat | undefined,
  view: View,
  asked: { readonly position: number } | undefined,
) {
  const { route, failureCase: { promptTokens }, tokens } = props;
  const units = useMemo(() => unitsOf(tokens, promptTokens, route.unit), [tokens, promptTokens, route.unit]);
  const shownHeat = useMemo(() => heat === undefined ? undefined : heatOfUnits(heat, units), [heat, units]);
  const attributed = props.pair.attributions.some(({ rule }) => rule === route.rule);
  const long = attributed && units.units.length > TALL;
  const open = [...route.open, ...asked === undefined ? [] : [asked.position]];
  const folds = useMemo(
    () =>
      long && route.text === "folded"
        ? foldsOf(units.units, units.promptUnits, shownHeat, view, open.map((position) => unitAt(units, position)))
        : undefined,
    [long, route.text, units, shownHeat, view.special, open.join()],
  );
  // Somebody asked once: another unit asks for nothing.
  const askedUnit = useMemo(() => asked === undefined ? undefined : { position: unitAt(units, asked.position) }, [
    asked,
  ]);
  return { units, heat: shownHeat, long, folds, asked: askedUnit };
}

interface FigureProps {
  readonly route: HeatState;
  readonly onChange: (part: Partial<HeatState>) => void;
  readonly failureCase: Case;
  readonly pair: Pair;
  readonly tokens: readonly Token[];
}

/** Below the text: what the colours mean, in numbers and words, and the files. */
function HeatFoot(
  props: FigureProps & {
    readonly attribution: AttributionSummary;
    readonly heat: Heat;
    readonly shownHeat: Heat;
    readonly units: Units;
    readonly view: View;
  },
) {
  const { route, failureCase, pair, tokens, attribution, heat, shownHeat, units, view } = props;
  const instructed = useMemo(() => tokens.some(({ segment }) => segment === "INSTRUCTION"), [tokens]);
  return (
    <>
      <Legend heat={shownHeat} view={view} target={pair.target.text} contrast={pair.contrast.text} />
      <HeatCaption
        route={route}
        attribution={attribution}
        heat={heat}
        names={UNIT_NAMES[units.unit]}
        scale={shownHeat.scale}
        instructed={instructed}
      />
      <SaveFigure
        what="this heatmap"
        draw={() =>
          heatPicture(heatData({
            name: failureCase.key,
            model: failureCase.model.name,
            delta: attribution.logitDifference,
            layers: attribution.layers,
            pair,
            tokens: units.units,
            units,
            heat: shownHeat,
            view,
            rule: attribution.rule,
          }))}
      />
    </>
  );
}

export function HeatFigure(props: FigureProps) {
  const { route, onChange, failureCase, pair, tokens } = props;
  const [asked, setAsked] = useAsked(route.at, tokens.length);
  const attribution = pair.attributions.find(({ rule }) => rule === route.rule);
  const layers = attribution?.layers ?? failureCase.model.layers;
  const layer = Math.min(route.layer, layers);
  const reading = useLoad(
    attribution === undefined ? null : `${attribution.id} ${layer}`,
    () => readHeat(attribution?.id ?? "", layer, failureCase.tokenCount),
  );
  const heat = useSteadyHeat(reading.data, attribution?.id);
  const view = useMemo((): View => ({ values: route.values, special: route.special }), [route.values, route.special]);
  const shown = useShown(props, heat, view, asked);
  const { units } = shown;
  const names = UNIT_NAMES[route.unit];
  const spans = route.unit === "tokens" ? undefined : units.spans;
  const openFold = (index: number) => {
    const position = units.spans[index]?.from ?? index;
    if (!route.open.includes(position)) onChange({ open: [...route.open, position] });
  };
  const end = useMemo(() => <Fork pair={pair} />, [pair]);

  return (
    <>
      <figure
        data-rule={attribution?.rule}
        data-layer={heat?.layer}
        data-values={route.values}
        data-unit={route.unit}
        aria-busy={reading.loading}
      >
        <HeatControls
          route={route}
          onChange={onChange}
          layers={layers}
          computed={pair.attributions.map(({ rule }) => rule)}
          long={shown.long}
        />
        {attribution === undefined
          ? (
            <WorkBox
              key={`${pair.id} ${route.rule}`}
              what={RULE_NAMES[route.rule]}
              plan={{ work: "ATTRIBUTE", tokenPairIds: [pair.id], rule: route.rule }}
              start={() => attribute(pair.id, route.rule)}
            />
          )
          : null}
        {reading.error === undefined ? null : <Trouble error={reading.error} onRetry={reading.reload} />}
        <div class={`flow${heat !== undefined && reading.loading ? " stale" : ""}`}>
          <TokenFlow
            tokens={units.units}
            promptTokens={units.promptUnits}
            names={names}
            spans={spans}
            heat={shown.heat}
            view={view}
            folds={shown.folds}
            onOpen={(position) => openFold(position)}
            asked={shown.asked}
            end={end}
          />
        </div>
        {attribution !== undefined && heat === undefined && reading.error === undefined
          ? <Waiting what="relevance" />
          : null}
        {attribution === undefined || heat === undefined || shown.heat === undefined ? null : (
          <HeatFoot
            {...props}
            attribution={attribution}
            heat={heat}
            shownHeat={shown.heat}
            units={units}
            view={view}
          />
        )}
      </figure>
      {attribution === undefined || shown.heat === undefined ? null : (
        <StrongestTokens
          tokens={units.units}
          spans={units.spans}
          heat={shown.heat}
          view={view}
          onPick={(index) => {
            const position = units.spans[index]?.from ?? index;
            setAsked({ position });
            onChange({ at: position });
          }}
        />
      )}
      {attribution === undefined
        ? null
        : <HeatOrigin failureCase={failureCase} pair={pair} attribution={attribution} />}
    </>
  );
}

/** Where the numbers come from, how they are computed again, and their files. */
function HeatOrigin({ failureCase, pair, attribution }: {
  readonly failureCase: Case;
  readonly pair: Pair;
  readonly attribution: Pair["attributions"][number];
}) {
  const { rule } = attribution;
  return (
    <ComputedOn
      key={`${pair.id} ${rule}`}
      what={RULE_NAMES[rule]}
      adapter={attribution.adapter}
      seconds={attribution.seconds}
      plan={{ work: "ATTRIBUTE", tokenPairIds: [pair.id], rule }}
      start={() => attribute(pair.id, rule)}
    >
      <DownloadLink path={attribution.download}>All node layers as a NumPy file</DownloadLink>, or{" "}
      <DownloadLink
        path={`/case.html?${new URLSearchParams({ case: failureCase.id, pair: pair.id, rule })}`}
        name={`${fileName(failureCase.key)}.html`}
      >
        this case as a page that stands alone
      </DownloadLink>
    </ComputedOn>
  );
}
