/** @jsxImportSource preact */
/** Two attributions of one token pair side by side: two rules, or the same rule on two sizes or checkpoints. */
import { useEffect } from "preact/hooks";
import { ofType } from "../shell/graphql.ts";
import { request } from "../shell/client.ts";
import type { View } from "../heat/heat_value.ts";
import { useEndedJobs } from "../jobs/job_store.ts";
import { Legend } from "../heat/legend.tsx";
import { RULE_NAMES } from "../shell/names.ts";
import { Empty, Trouble, Waiting } from "../shell/notice.tsx";
import { type Case, type MemberAttribution, type Pair, READ_MEMBERS, type Token } from "../heat/documents.ts";
import { type Heat, readHeat } from "../heat/read_case.ts";
import { signed } from "../heat/relevance.ts";
import { type CaseRoute, formatRoute } from "../shell/route.ts";
import { TextControls } from "../heat/heat_controls.tsx";
import { TokenFlow } from "../heat/token_flow.tsx";
import { type Shown, useShown } from "../heat/use_shown.ts";
import { UNIT_NAMES } from "../../../figures/units.ts";
import { heatPicture } from "../../../figures/heat_picture.tsx";
import { heatData } from "../heat/heat_data.ts";
import { SaveFigure } from "../shell/figure_frame.tsx";
import { type Loaded, useLoad } from "../shell/use_load.ts";
import { go } from "../shell/use_route.ts";

const VIEW: View = { values: "normalised", special: false };

function nameOf({ rule, model }: MemberAttribution, ownModel: string): string {
  return model.name === ownModel ? RULE_NAMES[rule] : `${RULE_NAMES[rule]} on ${model.name}`;
}

function Side(props: {
  readonly failureCase: Case;
  readonly pair: Pair;
  readonly members: readonly MemberAttribution[];
  readonly chosen: MemberAttribution;
  readonly onChoose: (id: string) => void;
  readonly reading: Loaded<Heat>;
  readonly shown: Shown;
  /** Which of the two it is. */
  readonly at: 0 | 1;
  readonly onOpen: (index: number) => void;
}) {
  const { failureCase, pair, members, chosen, onChoose, reading, shown: { units, heats, folds }, at } = props;
  const heat = heats[at];
  const draw = (heat: Heat) =>
    heatPicture(heatData({
      name: failureCase.key,
      model: chosen.model.name,
      delta: chosen.logitDifference,
      layers: failureCase.model.layers,
      pair,
      tokens: units.units,
      units,
      heat,
      view: VIEW,
      rule: chosen.rule,
    }));
  return (
    <div class="compare-side" data-attribution={chosen.id}>
      <label class="field">
        Attribution
        <select value={chosen.id} onChange={({ currentTarget }) => onChoose(currentTarget.value)}>
          {members.map((member) => (
            <option key={member.id} value={member.id}>{nameOf(member, failureCase.model.name)}</option>
          ))}
        </select>
      </label>
      <p class="small">
        Delta <strong class="number">{signed(chosen.logitDifference)}</strong>
        {chosen.logitDifference < 0 ? ", this model prefers the right token" : ""}
      </p>
      {reading.error === undefined ? null : <Trouble error={reading.error} onRetry={reading.reload} />}
      <div class="flow">
        <TokenFlow
          tokens={units.units}
          promptTokens={units.promptUnits}
          names={UNIT_NAMES[units.unit]}
          spans={units.unit === "tokens" ? undefined : units.spans}
          heat={heat}
          view={VIEW}
          folds={folds?.[at]}
          onOpen={props.onOpen}
          asked={undefined}
          end={null}
        />
      </div>
      {heat === undefined ? <Waiting what="relevance" /> : (
        <>
          <Legend heat={heat} view={VIEW} target={pair.target.text} contrast={pair.contrast.text} />
          <SaveFigure what={nameOf(chosen, failureCase.model.name)} draw={() => draw(heat)} />
        </>
      )}
    </div>
  );
}

/** Two attributions over one text: the same units, and the same folds with the sums of each. */
function Sides(
  props: CompareProps & {
    readonly members: readonly MemberAttribution[];
    readonly left: MemberAttribution;
    readonly right: MemberAttribution;
  },
) {
  const { route, failureCase, tokens, left, right } = props;
  const count = failureCase.tokenCount;
  const readings = [
    useLoad(`${left.id} 0`, () => readHeat(left.id, 0, count)),
    useLoad(`${right.id} 0`, () => readHeat(right.id, 0, count)),
  ] as const;
  const shown = useShown({
    route,
    tokens,
    promptTokens: failureCase.promptTokens,
    heats: readings.map(({ data }) => data),
    view: VIEW,
    foldable: true,
  });
  const change = (part: Partial<CaseRoute>) => go({ ...route, ...part }, "replace");
  const side = (at: 0 | 1) => ({
    ...props,
    reading: readings[at],
    shown,
    at,
    onOpen: (index: number) => change(shown.openFold(index)),
  });
  const names = UNIT_NAMES[route.unit];
  return (
    <section class="compare" aria-label="Two attributions side by side">
      <div class="controls">
        <TextControls route={route} onChange={change} long={shown.long} />
      </div>
      <Side {...side(0)} chosen={left} onChoose={(id) => change({ left: id, right: right.id })} />
      <Side {...side(1)} chosen={right} onChoose={(id) => change({ left: left.id, right: id })} />
      <p class="quiet small">
        Relevance at the embeddings{route.unit === "tokens" ? "" : `, the sum over the tokens of each ${names[0]}`},
        each side divided by its own largest |R| over non-special {names[1]}.
        {shown.folds === undefined ? "" : " Both sides show what is strongest on either."}
      </p>
    </section>
  );
}

/** An attribution by its id; `otherwise` where none was named. Undefined where the named one is not among them. */
function named(members: readonly MemberAttribution[], id: string, otherwise: MemberAttribution | undefined) {
  return id === "" ? otherwise : members.find((member) => member.id === id);
}

interface CompareProps {
  readonly route: CaseRoute;
  readonly failureCase: Case;
  readonly pair: Pair;
  readonly tokens: readonly Token[];
}

export function CompareSection(props: CompareProps) {
  const { route, pair } = props;
  const ended = useEndedJobs();
  const reading = useLoad(`members ${pair.id}`, async (signal) => {
    const { node } = await request(READ_MEMBERS, { id: pair.id }, signal);
    return ofType(node, "TokenPair")?.memberAttributions ?? [];
  });
  useEffect(() => {
    if (ended > 0) reading.reload();
  }, [ended]);
  const members = reading.data ?? [];
  const [left, right] = [
    named(members, route.left, members.find(({ id }) => id !== route.right)),
    named(members, route.right, members.find(({ id }) => id !== (route.left || members[0]?.id))),
  ];
  if (reading.error !== undefined) return <Trouble error={reading.error} onRetry={reading.reload} />;
  if (reading.data === undefined) return <Waiting what="attributions" />;
  if (left === undefined || right === undefined) {
    const gone = [route.left, route.right].some((id) => id !== "" && !members.some((member) => member.id === id));
    if (gone) {
      return (
        <Empty title="One of the two is not there">
          <p>
            The address names an attribution that this token pair does not have.{" "}
            <a href={formatRoute({ ...route, left: "", right: "" })}>Compare those that it has</a>.
          </p>
        </Empty>
      );
    }
    return (
      <Empty title="Nothing to compare yet">
        <p class="quiet">
          Compute a second rule under "heatmap", or run a study over a series of models: then two attributions stand
          side by side here.
        </p>
      </Empty>
    );
  }
  return <Sides {...props} members={members} left={left} right={right} />;
}
