/// <reference lib="dom" />
/** @jsxImportSource preact */
/** Series of models, and studies over them. */
import { useState } from "preact/hooks";
import { request } from "../shell/client.ts";
import { follow } from "../jobs/job_store.ts";
import { RULE_NAMES } from "../shell/names.ts";
import { ADD_SERIES, type ModelSummary, RUN_STUDY, type SeriesSummary } from "./documents.ts";
import { RULES } from "../shell/route.ts";
import { Pick, Starter, useValues, Write } from "./starter.tsx";

const KINDS = [
  ["SCALING", "sizes"],
  ["TRAINING", "checkpoints, in this order"],
  ["QUANTISATION", "quantised files, in this order"],
] as const;

/** Two models or more, in the order of choosing. */
export function AddSeries({ models, onAdded }: {
  readonly models: readonly ModelSummary[];
  readonly onAdded: () => void;
}) {
  const [{ name = "", kind = "SCALING" }, set] = useValues({});
  const [members, setMembers] = useState<readonly string[]>([]);
  const [added, setAdded] = useState<string>();
  const toggle = (model: string) =>
    setMembers((old) => old.includes(model) ? old.filter((one) => one !== model) : [...old, model]);
  const start = async () => {
    const { addModelSeries } = await request(ADD_SERIES, {
      input: {
        name,
        kind: KINDS.find(([name]) => name === kind)?.[0] ?? "SCALING",
        members: members.map((model, position) => ({ model, ...(kind === "SCALING" ? {} : { position }) })),
      },
    });
    if (addModelSeries.__typename === "InputError") throw new Error(addModelSeries.problem);
    setAdded(addModelSeries.name);
    onAdded();
    return undefined;
  };
  return (
    <Starter
      title="Add a series"
      help="Sizes of one family, checkpoints of one model, or files of one model: their tokenizers must be the same."
      verb="Add the series"
      ready={name.trim() !== "" && members.length >= 2}
      start={start}
    >
      <Write label="Name of the series" value={name} onValue={set("name")} />
      <Pick label="Members are" value={kind} options={KINDS} onValue={set("kind")} />
      <fieldset class="members">
        <legend>Members</legend>
        {models.map(({ name }) => (
          <label key={name}>
            <input type="checkbox" checked={members.includes(name)} onChange={() => toggle(name)} /> {name}
            {members.includes(name) ? <span class="quiet small">{` ${members.indexOf(name) + 1}`}</span> : null}
          </label>
        ))}
      </fieldset>
      <span role="status">{added === undefined ? "" : `${added} is there.`}</span>
    </Starter>
  );
}

export function RunStudy({ series }: { readonly series: readonly SeriesSummary[] }) {
  const [{ name = series[0]?.name ?? "", rule = "ATTNLRP" }, set] = useValues({});
  const chosen = RULES.find((one) => one === rule) ?? "ATTNLRP";
  const input = { series: name, rule: chosen };
  return (
    <Starter
      title="Run a study"
      help="Attributes the clean token pairs of the members on every member. A study that is there goes on with what is missing."
      verb="Run the study"
      ready={name !== ""}
      plan={name === "" ? undefined : { work: "STUDY", ...input }}
      start={async () => follow((await request(RUN_STUDY, { input })).runStudy)}
    >
      <Pick
        label="Series"
        term="series"
        value={name}
        options={series.map(({ name, members }) => [name, `${name}, ${members.length} members`])}
        onValue={set("name")}
      />
      <Pick
        label="Rule"
        term="rule"
        value={chosen}
        options={RULES.map((one) => [one, RULE_NAMES[one]])}
        onValue={set("rule")}
      />
    </Starter>
  );
}
