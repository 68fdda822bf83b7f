/// <reference lib="dom" />
/** @jsxImportSource preact */
/** What is explained at a token pair's place instead of the pair: one logit, against a mean, or a whole sequence. */
import { useEffect, useState } from "preact/hooks";
import { quoteToken } from "../../../figures/token_text.ts";
import type { Pair } from "../heat/documents.ts";
import { signed } from "../heat/relevance.ts";
import { strongest } from "../../../figures/strongest.ts";
import { follow, useEndedJobs } from "../jobs/job_store.ts";
import { WorkBox } from "../jobs/work_box.tsx";
import { Choice } from "../shell/choice.tsx";
import { request } from "../shell/client.ts";
import { ofType } from "../shell/graphql.ts";
import { RULE_NAMES } from "../shell/names.ts";
import { Trouble } from "../shell/notice.tsx";
import type { Rule } from "../shell/route.ts";
import { useLoad } from "../shell/use_load.ts";
import {
  EXPLAIN_OBJECTIVE,
  type Objective,
  type ObjectiveInput,
  type ObjectiveKind,
  READ_OBJECTIVES,
} from "./documents.ts";

/** Logits that the mean of TOP is over. */
const COUNT = 10;
/** Tokens shown of each sign. */
const LISTED = 6;

const KINDS: Readonly<Record<ObjectiveKind, readonly [label: string, meaning: string]>> = {
  LOGIT: ["its logit", "the wrong token's logit alone"],
  TOP: [`the top ${COUNT}`, "the wrong token's logit against the mean of the largest others"],
  MEAN: ["the mean", "the wrong token's logit against the mean of all"],
  SEQUENCE: ["sequences", "a wrong text against the right one, of any length each"],
};

/** Asks for an objective at one pair's place; gives the job's id. Throws RequestError. */
async function explain(pair: Pair, kind: ObjectiveKind, rule: Rule, texts: Texts): Promise<string> {
  const input: ObjectiveInput = {
    tokenPairIds: [pair.id],
    kind,
    rule,
    ...(kind === "TOP" ? { count: COUNT } : {}),
    ...(kind === "SEQUENCE" ? { target: `text:${texts.target}`, contrast: `text:${texts.contrast}` } : {}),
  };
  return follow((await request(EXPLAIN_OBJECTIVE, { input })).explainObjective);
}

/** The two sequences, as typed. */
interface Texts {
  readonly target: string;
  readonly contrast: string;
}

export function ObjectivePanel({ pair, rule }: { readonly pair: Pair; readonly rule: Rule }) {
  const [kind, setKind] = useState<ObjectiveKind>("LOGIT");
  const [texts, setTexts] = useState<Texts>({ target: pair.target.text, contrast: pair.contrast.text });
  const ended = useEndedJobs();
  const reading = useLoad(
    pair.id,
    async (signal) => ofType((await request(READ_OBJECTIVES, { id: pair.id }, signal)).node, "TokenPair")?.objectives,
  );
  useEffect(() => {
    if (ended > 0) reading.reload();
  }, [ended]);
  const stored = reading.data ?? [];
  // Other texts may always be asked for.
  const isThere = kind !== "SEQUENCE" && stored.some((one) => one.kind === kind && one.rule === rule);
  const kinds = Object.entries(KINDS) as [ObjectiveKind, (typeof KINDS)[ObjectiveKind]][];
  return (
    <section class="objectives" aria-label="Other objectives">
      <p class="quiet small">
        The heatmap explains the wrong token against the right one. Here the same place is explained under another
        question: {KINDS[kind][1]}.
      </p>
      <Choice
        label="Explain against"
        term="objective"
        value={kind}
        options={kinds.map(([value, [label, title]]) => ({ value, label, title }))}
        onChange={setKind}
      />
      {kind === "SEQUENCE" ? <Sequences texts={texts} onChange={setTexts} /> : null}
      {isThere ? null : (
        <WorkBox
          key={`${pair.id} ${kind} ${rule} ${texts.target} ${texts.contrast}`}
          what={`${KINDS[kind][1]} (${RULE_NAMES[rule]})`}
          aside
          start={() => explain(pair, kind, rule, texts)}
        />
      )}
      {reading.error === undefined ? null : <Trouble error={reading.error} onRetry={reading.reload} />}
      {stored.map((one) => <Explained key={one.id} objective={one} />)}
    </section>
  );
}

function Sequences({ texts, onChange }: { readonly texts: Texts; readonly onChange: (texts: Texts) => void }) {
  const fields = [["target", "Wrong text"], ["contrast", "Right text"]] as const;
  return (
    <div class="controls">
      {fields.map(([side, label]) => (
        <label key={side} class="field">
          {label}
          <input
            type="text"
            value={texts[side]}
            onInput={({ currentTarget }) => onChange({ ...texts, [side]: currentTarget.value })}
          />
        </label>
      ))}
    </div>
  );
}

/** What was asked: of sequences the texts, of means how many logits. */
function questionOf({ kind, count, target, contrast }: Objective): string {
  if (kind !== "SEQUENCE") return kind === "TOP" ? `${KINDS.TOP[1]} (${count})` : KINDS[kind][1];
  const text = (typed: string | null) => quoteToken((typed ?? "").replace(/^text:/, ""));
  return `${text(target)} against ${text(contrast)}`;
}

function Explained({ objective }: { readonly objective: Objective }) {
  const { rule, value, tokens, relevance, branches, adapter } = objective;
  const { positive, negative } = strongest(relevance, LISTED);
  return (
    <article>
      <p>
        {questionOf(objective)}, {RULE_NAMES[rule]}: <span class="number">{signed(value)}</span>{" "}
        <span class="quiet small">on {adapter}</span>
      </p>
      <TokenLine title="For it" list={positive.map(({ position, raw }) => [tokens[position] ?? "", raw])} />
      <TokenLine title="Against it" list={negative.map(({ position, raw }) => [tokens[position] ?? "", raw])} />
      {branches.map((branch) => (
        <TokenLine
          key={branch.side}
          title={branch.side === "TARGET" ? "Of the wrong text alone" : "Of the right text alone"}
          list={branch.tokens.map((text, at) => [text, branch.relevance[at] ?? 0])}
        />
      ))}
    </article>
  );
}

function TokenLine(
  props: { readonly title: string; readonly list: readonly (readonly [text: string, raw: number])[] },
) {
  return (
    <p class="small">
      {props.title}: {props.list.length === 0 ? "none" : props.list.map(([text, raw], at) => (
        <span key={at}>
          {at === 0 ? "" : ", "}
          <span class="token-text">{quoteToken(text)}</span> <span class="number">{signed(raw)}</span>
        </span>
      ))}
    </p>
  );
}
