/// <reference lib="dom" />
/** @jsxImportSource preact */
/** What has to be there first: a model, and answers or failure cases of it. */
import { useState } from "preact/hooks";
import { request } from "../shell/client.ts";
import type { Named } from "../shell/graphql.ts";
import { follow } from "../jobs/job_store.ts";
import { addOrFetch } from "../jobs/add_model.ts";
import { IMPORT } from "./documents.ts";
import { given, Pick, Starter, useValues, Write } from "./starter.tsx";

const FORMATS: readonly (readonly [value: string, name: string])[] = [
  ["CULPRIT", "Culprit's own (culprit/1)"],
  ["LM_EVAL", "lm-evaluation-harness samples"],
  ["IFEVAL", "IFEval responses"],
  ["EVALPLUS", "EvalPlus samples or results"],
  ["MATH", "MATH answers"],
  ["GAIA2", "GAIA2 / ARE traces"],
  ["DEBUG_XAI", "traces of the paper's code"],
  ["ANNOTATIONS", "answers of annotators"],
  ["LABELS", "readers' labels"],
];

export function AddModel({ onAdded }: { readonly onAdded: () => void }) {
  const [{ directory = "", name }, set] = useValues({});
  const [added, setAdded] = useState<string>();
  const start = async () => {
    const found = await addOrFetch(directory, name);
    if ("jobId" in found) return found.jobId;
    setAdded(found.added);
    onAdded();
    return undefined;
  };
  return (
    <Starter
      title="Add a model"
      help="A Hugging Face style directory or a GGUF file inside one of the server's CULPRIT_MODELS folders, or a hub's ORG/NAME, which is fetched where it is not in the hub's cache."
      verb="Add"
      ready={directory !== ""}
      start={start}
    >
      <Write
        label="Model"
        value={directory}
        placeholder="models/demo-1m or Qwen/Qwen3-0.6B"
        onValue={set("directory")}
      />
      <Write label="Name, its directory's or the hub's id if left empty" value={name ?? ""} onValue={set("name")} />
      <span role="status">{added === undefined ? "" : `${added} is there.`}</span>
    </Starter>
  );
}

export function Import({ models }: { readonly models: readonly string[] }) {
  const [{ from = "CULPRIT", path, model, items, annotator }, set] = useValues({});
  const [file, setFile] = useState<File>();
  const [over, setOver] = useState(false);
  const start = async () => {
    // One of FORMATS.
    const format = from as Named<"ImportFormat">;
    const input = {
      from: format,
      ...given({ model, items, annotator }),
      ...(file === undefined ? given({ path }) : { file }),
    };
    return follow((await request(IMPORT, { input })).importFailureCases);
  };
  return (
    <Starter
      title="Import answers or failure cases"
      help="Good lines are stored, bad ones told with their line; the same file again changes nothing."
      verb="Import"
      ready={file !== undefined || (path ?? "") !== ""}
      start={start}
    >
      <Pick label="Format" value={from} options={FORMATS} onValue={set("from")} />
      <Pick
        label="Model that answered"
        value={model ?? ""}
        options={[["", "as the file says"], ...models.map((name) => [name, name] as const)]}
        onValue={set("model")}
      />
      <label
        class={`drop${over ? " over" : ""}`}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          setFile(event.dataTransfer?.files[0]);
        }}
      >
        {file === undefined
          ? "Drop a file here, or choose one"
          : `${file.name}, ${file.size.toLocaleString("en")} bytes`}
        <input
          type="file"
          aria-label="File to import"
          onChange={({ currentTarget }) => setFile(currentTarget.files?.[0])}
        />
      </label>
      {file === undefined
        ? <Write label="Or a path on the server" value={path ?? ""} onValue={set("path")} />
        : <button type="button" class="link small" onClick={() => setFile(undefined)}>Another file</button>}
      <Write label="Benchmark items, where the log lacks them" value={items ?? ""} onValue={set("items")} />
      {from === "ANNOTATIONS" || from === "LABELS"
        ? <Write label="Annotator" value={annotator ?? ""} onValue={set("annotator")} />
        : null}
    </Starter>
  );
}
