/// <reference lib="dom" />
/** @jsxImportSource preact */
/** What is asked: a model, a chat or a plain text, and whom to ask the same. */
import { useEffect, useState } from "preact/hooks";

export interface AskedQuestion {
  readonly model: string;
  /** Another model that is asked the same; empty for none. */
  readonly second: string;
  readonly kind: "chat" | "prompt";
  readonly system: string;
  readonly text: string;
  readonly maxTokens: number;
  /** Tokens of a thought before the answer; 0: thinking is off. */
  readonly thinkingTokens: number;
}

const MOST_TOKENS = 4096;
const MOST_THINKING = 32_768;

const KINDS = [["chat", "chat message"], ["prompt", "plain text"]] as const;
const named = (name: string) => [name, name] as const;

export function AskForm(props: {
  readonly models: readonly string[];
  /** A model that was just added: it is chosen. */
  readonly latest: string | undefined;
  readonly busy: boolean;
  readonly onAsk: (question: AskedQuestion) => void;
}) {
  const { models, latest, busy, onAsk } = props;
  const [asked, setAsked] = useState<AskedQuestion>({
    model: "",
    second: "",
    kind: "chat",
    system: "",
    text: "",
    maxTokens: 256,
    thinkingTokens: 0,
  });
  const set = (change: Partial<AskedQuestion>) => setAsked((old) => ({ ...old, ...change }));
  useEffect(() => {
    if (latest !== undefined) set({ model: latest, second: "" });
  }, [latest]);
  const model = models.includes(asked.model) ? asked.model : models[0] ?? "";
  const ready = !busy && model !== "" && asked.text !== "";
  const ask = () => ready && onAsk({ ...asked, model });
  return (
    <form
      class="ask-form"
      onSubmit={(event) => {
        event.preventDefault();
        ask();
      }}
    >
      <label class="field wide ask-text">
        Prompt
        <textarea
          rows={4}
          value={asked.text}
          placeholder="What should the model answer?"
          onInput={({ currentTarget }) => set({ text: currentTarget.value })}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
            event.preventDefault();
            ask();
          }}
        />
      </label>
      <div class="filter">
        <Choice
          name="Model"
          choices={models.map(named)}
          value={model}
          onChange={(model) => set({ model, second: "" })}
        />
        <Choice
          name="Beside it"
          choices={[["", "no other"], ...models.filter((name) => name !== model).map(named)]}
          value={asked.second}
          onChange={(second) => set({ second })}
        />
        <Choice name="As" choices={KINDS} value={asked.kind} onChange={(kind) => set({ kind })} />
        <Count
          name="Tokens at most"
          range={[1, MOST_TOKENS]}
          value={asked.maxTokens}
          onChange={(maxTokens) => set({ maxTokens })}
        />
        {asked.kind === "prompt" ? null : (
          <Count
            name="Thinking tokens"
            title="Tokens that the model may think in before it answers; 0: it does not think"
            range={[0, MOST_THINKING]}
            value={asked.thinkingTokens}
            onChange={(thinkingTokens) => set({ thinkingTokens })}
          />
        )}
        <button type="submit" class="strong" disabled={!ready} title="Ctrl+Enter">Generate</button>
      </div>
      {asked.kind === "prompt" ? null : <SystemMessage text={asked.system} onChange={(system) => set({ system })} />}
    </form>
  );
}

/** A field for one of several values, which have texts. */
function Choice<Value extends string>({ name, choices, value, onChange }: {
  readonly name: string;
  readonly choices: readonly (readonly [value: Value, text: string])[];
  readonly value: Value;
  readonly onChange: (value: Value) => void;
}) {
  return (
    <label class="field">
      {name}
      <select value={value} onChange={({ currentTarget }) => onChange(currentTarget.value as Value)}>
        {choices.map(([value, text]) => <option key={value} value={value}>{text}</option>)}
      </select>
    </label>
  );
}

/** A field for a whole number. */
function Count({ name, title, range: [least, most], value, onChange }: {
  readonly name: string;
  readonly title?: string;
  readonly range: readonly [number, number];
  readonly value: number;
  readonly onChange: (value: number) => void;
}) {
  return (
    <label class="field" title={title}>
      {name}
      <input
        type="number"
        min={least}
        max={most}
        value={value}
        onInput={({ currentTarget }) => {
          const count = Math.round(Number(currentTarget.value));
          if (count >= least && count <= most) onChange(count);
        }}
      />
    </label>
  );
}

function SystemMessage({ text, onChange }: { readonly text: string; readonly onChange: (text: string) => void }) {
  return (
    <details>
      <summary>System message</summary>
      <label class="field wide">
        <span class="unseen">System message</span>
        <textarea rows={2} value={text} onInput={({ currentTarget }) => onChange(currentTarget.value)} />
      </label>
    </details>
  );
}
