/// <reference lib="dom" />
/** @jsxImportSource preact */
/** What a person says of outcome and pattern, by keys or by clicks; blind where they want. */
import { useEffect, useRef, useState } from "preact/hooks";
import { request } from "../shell/client.ts";
import { type Outcome, OUTCOMES, type Pattern, PATTERNS } from "../shell/names.ts";
import { isTyping } from "../shell/typing.ts";
import { Choice } from "../shell/choice.tsx";
import { type Label, LABEL_PAIR } from "./documents.ts";

const OUTCOME_KEYS: Readonly<Record<Outcome, string>> = { M_IA: "1", NC_IA_M_AG: "2", NC_IA_AG: "3" };
const PATTERN_KEYS: Readonly<Record<Pattern | "NONE", string>> = { URT: "u", OIT: "o", URT_OIT: "b", NONE: "n" };

interface Draft {
  readonly outcome: Outcome | undefined;
  readonly pattern: Pattern | "NONE";
}

function keyed<Value extends string>(keys: Readonly<Record<Value, string>>, key: string): Value | undefined {
  return (Object.keys(keys) as Value[]).find((value) => keys[value] === key);
}

/** One, two, three choose the outcome, letters the pattern, and `s` stores, while the panel is seen. */
function useKeys(change: (part: Partial<Draft>) => void, store: () => void) {
  const box = useRef<HTMLDivElement>(null);
  const latest = useRef({ change, store });
  latest.current = { change, store };
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      // A fold that was closed again keeps what it holds.
      if (box.current?.closest("details:not([open])") != null) return;
      const { change, store } = latest.current;
      const outcome = keyed(OUTCOME_KEYS, event.key);
      const pattern = keyed(PATTERN_KEYS, event.key);
      if (outcome !== undefined) change({ outcome });
      else if (pattern !== undefined) change({ pattern });
      else if (event.key === "s") store();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
  return box;
}

export function LabelPanel(props: {
  readonly pairId: string;
  /** What this reader said before. */
  readonly own: Label | undefined;
  readonly reader: string;
  readonly onReader: (name: string) => void;
  readonly blind: boolean;
  readonly onBlind: (blind: boolean) => void;
  readonly onDone: () => void;
}) {
  const { pairId, own, reader, blind } = props;
  const [draft, setDraft] = useState<Draft>({ outcome: own?.outcome, pattern: own?.pattern ?? "NONE" });
  const [note, setNote] = useState(own?.note ?? "");
  const [said, setSaid] = useState<{ readonly text: string; readonly bad: boolean }>();
  const { outcome } = draft;
  // What nothing explains has no pattern.
  const pattern = outcome === "NC_IA_AG" ? "NONE" : draft.pattern;
  const change = (part: Partial<Draft>) => setDraft((old) => ({ ...old, ...part }));
  const store = async () => {
    if (outcome === undefined || reader.trim() === "") {
      setSaid({ text: outcome === undefined ? "Choose an outcome first." : "Say who you are first.", bad: true });
      return;
    }
    try {
      const { labelTokenPair } = await request(LABEL_PAIR, {
        input: {
          tokenPairId: pairId,
          reader,
          outcome,
          ...(pattern === "NONE" ? {} : { pattern }),
          ...(note === "" ? {} : { note }),
        },
      });
      const problem = labelTokenPair.__typename === "InputError" ? labelTokenPair.problem : undefined;
      setSaid({ text: problem ?? "Stored. Key j leads to the next case.", bad: problem !== undefined });
      if (problem === undefined) props.onDone();
    } catch (error) {
      setSaid({ text: (error as Error).message, bad: true });
    }
  };
  const box = useKeys(change, store);
  return (
    <div class="annotate label-panel" ref={box}>
      <Choice
        label="Outcome"
        term="outcome"
        value={outcome}
        options={(Object.keys(OUTCOMES) as Outcome[]).map((value) => ({
          value,
          label: `${OUTCOME_KEYS[value]} ${OUTCOMES[value].name}`,
          term: OUTCOMES[value].term,
        }))}
        onChange={(outcome) => change({ outcome })}
      />
      <Choice
        label="Pattern"
        term="pattern"
        value={pattern}
        options={[
          ...(Object.keys(PATTERNS) as Pattern[]).map((value) => ({
            value,
            label: `${PATTERN_KEYS[value]} ${PATTERNS[value].name}`,
            term: PATTERNS[value].term,
          })),
          { value: "NONE" as const, label: "n none", title: "Neither, or nothing explains it" },
        ]}
        onChange={(pattern) => change({ pattern })}
      />
      <form
        class="filter"
        onSubmit={(event) => {
          event.preventDefault();
          store();
        }}
      >
        <label class="field">
          Your name
          <input
            type="text"
            value={reader}
            autocomplete="off"
            onInput={({ currentTarget }) => props.onReader(currentTarget.value)}
          />
        </label>
        <label class="field wide">
          Note: which tokens
          <input type="text" value={note} onInput={({ currentTarget }) => setNote(currentTarget.value)} />
        </label>
        <button type="submit" class="strong" title="Key s">Store the label</button>
      </form>
      <label class="small">
        <input type="checkbox" checked={blind} onChange={({ currentTarget }) => props.onBlind(currentTarget.checked)} />
        {" "}
        Read blind: what the classifier and others say shows after I have said mine
      </label>
      <p role={said?.bad === true ? "alert" : "status"} class="small">{said?.text ?? ""}</p>
    </div>
  );
}
