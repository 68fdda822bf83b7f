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
}

const MOST_TOKENS = 4096;

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
  });
  const set = (change: Partial<AskedQuestion>) => setAsked((old) => ({ ...old, ...change }));
  useEffect(() => {
    if (latest !== undefined) set({ model: latest, second: "" });
  }, [latest]);
  const model = models.includes(asked.model) ? asked.model : models[0] ?? "";
  const ready = !busy && model !== "" && asked.text !== "";
  const ask = () => ready && onAsk({ ...asked, model });
  const choices = (names: readonly string[]) => names.map((name) => <option key={name} value={name}>{name}</option>);
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
        <label class="field">
          Model
          <select value={model} onChange={({ currentTarget }) => set({ model: currentTarget.value, second: "" })}>
            {choices(models)}
          </select>
        </label>
        <label class="field">
          Beside it
          <select value={asked.second} onChange={({ currentTarget }) => set({ second: currentTarget.value })}>
            <option value="">no other</option>
            {choices(models.filter((name) => name !== model))}
          </select>
        </label>
        <label class="field">
          As
          <select
            value={asked.kind}
            onChange={({ currentTarget }) => set({ kind: currentTarget.value as AskedQuestion["kind"] })}
          >
            <option value="chat">chat message</option>
            <option value="prompt">plain text</option>
          </select>
        </label>
        <label class="field">
          Tokens at most
          <input
            type="number"
            min={1}
            max={MOST_TOKENS}
            value={asked.maxTokens}
            onInput={({ currentTarget }) => {
              const count = Math.round(Number(currentTarget.value));
              if (count >= 1 && count <= MOST_TOKENS) set({ maxTokens: count });
            }}
          />
        </label>
        <button type="submit" class="strong" disabled={!ready} title="Ctrl+Enter">Generate</button>
      </div>
      {asked.kind === "prompt" ? null : (
        <details>
          <summary>System message</summary>
          <label class="field wide">
            <span class="unseen">System message</span>
            <textarea
              rows={2}
              value={asked.system}
              onInput={({ currentTarget }) => set({ system: currentTarget.value })}
            />
          </label>
        </details>
      )}
    </form>
  );
}
