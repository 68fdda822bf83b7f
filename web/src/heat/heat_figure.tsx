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
import { TokenFlow } from "./token_flow.tsx";
import { type Unit, UNIT_NAMES } from "../../../figures/units.ts";
import { unitAt, type Units } from "./units.ts";
import { type Shown, useShown } from "./use_shown.ts";
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

/** The text with its colours. */
function FigureText({ shown: { units, heats, folds }, stale, pair, view, asked, onOpen }: {
  readonly shown: Shown;
  /** Whether other colours are on their way. */
  readonly stale: boolean;
  readonly pair: Pair;
  readonly view: View;
  readonly asked: { readonly position: number } | undefined;
  readonly onOpen: (index: number) => void;
}) {
  // Somebody asked once: another unit asks for nothing.
  const askedUnit = useMemo(
    () => asked === undefined ? undefined : { position: unitAt(units, asked.position) },
    [asked],
  );
  const end = useMemo(() => <Fork pair={pair} />, [pair]);
  return (
    <div class={`flow${stale ? " stale" : ""}`}>
      <TokenFlow
        tokens={units.units}
        promptTokens={units.promptUnits}
        names={UNIT_NAMES[units.unit]}
        spans={units.unit === "tokens" ? undefined : units.spans}
        heat={heats[0]}
        view={view}
        folds={folds?.[0]}
        onOpen={onOpen}
        asked={askedUnit}
        end={end}
      />
    </div>
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
  const shown = useShown({
    route,
    tokens,
    promptTokens: failureCase.promptTokens,
    heats: [heat],
    view,
    foldable: attribution !== undefined,
    open: asked === undefined ? [] : [asked.position],
  });
  const { units, heats: [shownHeat] } = shown;

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
        <FigureText
          shown={shown}
          stale={heat !== undefined && reading.loading}
          pair={pair}
          view={view}
          asked={asked}
          onOpen={(index) => onChange(shown.openFold(index))}
        />
        {attribution !== undefined && heat === undefined && reading.error === undefined
          ? <Waiting what="relevance" />
          : null}
        {attribution === undefined || heat === undefined || shownHeat === undefined ? null : (
          <HeatFoot
            {...props}
            attribution={attribution}
            heat={heat}
            shownHeat={shownHeat}
            units={units}
            view={view}
          />
        )}
      </figure>
      {attribution === undefined || shownHeat === undefined ? null : (
        <StrongestTokens
          tokens={units.units}
          spans={units.spans}
          heat={shownHeat}
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
        : <HeatOrigin failureCase={failureCase} pair={pair} attribution={attribution} unit={route.unit} />}
    </>
  );
}

/** Where the numbers come from, how they are computed again, and their files. */
function HeatOrigin({ failureCase, pair, attribution, unit }: {
  readonly failureCase: Case;
  readonly pair: Pair;
  readonly attribution: Pair["attributions"][number];
  readonly unit: Unit;
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
        path={`/case.html?${new URLSearchParams({ case: failureCase.id, pair: pair.id, rule, unit })}`}
        name={`${fileName(failureCase.key)}.html`}
      >
        this case as a page that stands alone
      </DownloadLink>
    </ComputedOn>
  );
}
