/** @jsxImportSource preact */
/** What the case list shows and in which order. Every change goes to the address. */
import { useEffect, useState } from "preact/hooks";
import { RULE_NAMES } from "../shell/names.ts";
import { listsAttributions } from "./read_cases.ts";
import { CASES, type CasesRoute, LISTINGS, type Order, ORDERS } from "../shell/route.ts";
import { go } from "../shell/use_route.ts";

/** Typing is answered after a pause. */
const PAUSE_MS = 300;

const LIST_NAMES: Readonly<Record<CasesRoute["list"], string>> = {
  cases: "all cases",
  unattributed: "not attributed",
  attributions: "attributed, any rule",
  ATTNLRP: `attributed by ${RULE_NAMES.ATTNLRP}`,
  CPLRP: `attributed by ${RULE_NAMES.CPLRP}`,
  GRADIENT: `attributed by ${RULE_NAMES.GRADIENT}`,
};

const ORDER_NAMES: Readonly<Record<Order, string>> = {
  "newest": "newest first",
  "oldest": "oldest first",
  "delta-down": "largest delta first",
  "delta-up": "smallest delta first",
  "tokens-down": "longest first",
  "tokens-up": "shortest first",
  "key": "by key",
};

function numberIn(text: string): number | null {
  const number = Number(text);
  return text.trim() === "" || !Number.isFinite(number) ? null : number;
}

/** A text box that tells its value after a pause, and takes the address's value when that changes elsewhere. */
function Typed(props: {
  readonly value: string;
  readonly label: string;
  readonly type?: "text" | "number";
  readonly list?: string;
  readonly onValue: (value: string) => void;
}) {
  const [text, setText] = useState(props.value);
  useEffect(() => setText(props.value), [props.value]);
  useEffect(() => {
    if (text === props.value) return;
    const timer = setTimeout(() => props.onValue(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <input
      type={props.type ?? "text"}
      {...(props.type === "number" ? { step: "any" } : {})}
      {...(props.list === undefined ? {} : { list: props.list })}
      aria-label={props.label}
      autocomplete="off"
      spellcheck={false}
      value={text}
      onInput={(event) => setText(event.currentTarget.value)}
    />
  );
}

export function CaseFilter(props: {
  readonly route: CasesRoute;
  /** Benchmarks that were seen, offered while typing. */
  readonly benchmarks: readonly string[];
  readonly models: readonly string[];
}) {
  const { route } = props;
  const change = (part: Partial<CasesRoute>) => go({ ...route, ...part }, "replace");
  const orders = listsAttributions(route) ? ORDERS.filter((order) => order !== "key") : ORDERS;
  return (
    <form
      class="filter"
      role="search"
      aria-label="Filter of the cases"
      onSubmit={(event) => event.preventDefault()}
    >
      <label class="field">
        Show
        <select
          value={route.list}
          onChange={({ currentTarget }) =>
            change({ list: LISTINGS.find((list) => list === currentTarget.value) ?? CASES.list, order: "newest" })}
        >
          {LISTINGS.map((list) => <option key={list} value={list}>{LIST_NAMES[list]}</option>)}
        </select>
      </label>
      <div class="field wide">
        Find in key, prompt and answer
        <Typed
          label="Text of key, prompt or answer, three characters at least"
          value={route.search}
          onValue={(search) => change({ search })}
        />
      </div>
      {route.list === "unattributed" ? null : (
        <div class="field wide">
          Token, of attributed cases
          <Typed
            label="Token: target, contrast or one of the most relevant"
            value={route.token}
            onValue={(token) => change({ token })}
          />
        </div>
      )}
      <div class="field">
        Benchmark
        <Typed
          label="Benchmark"
          list="benchmarks"
          value={route.benchmark}
          onValue={(benchmark) => change({ benchmark })}
        />
        <datalist id="benchmarks">{props.benchmarks.map((name) => <option key={name} value={name} />)}</datalist>
      </div>
      {props.models.length < 2 && route.model === "" ? null : (
        <label class="field">
          Model
          <select value={route.model} onChange={({ currentTarget }) => change({ model: currentTarget.value })}>
            <option value="">any</option>
            {[...new Set([...props.models, ...(route.model === "" ? [] : [route.model])])]
              .map((name) => <option key={name} value={name}>{name}</option>)}
          </select>
        </label>
      )}
      <div class="field">
        Delta
        <div class="span">
          <Typed
            type="number"
            label="Smallest delta"
            value={route.deltaFrom === null ? "" : String(route.deltaFrom)}
            onValue={(text) => change({ deltaFrom: numberIn(text) })}
          />
          to
          <Typed
            type="number"
            label="Largest delta"
            value={route.deltaTo === null ? "" : String(route.deltaTo)}
            onValue={(text) => change({ deltaTo: numberIn(text) })}
          />
        </div>
      </div>
      <label class="field">
        Order
        <select
          value={route.order}
          onChange={({ currentTarget }) =>
            change({ order: ORDERS.find((order) => order === currentTarget.value) ?? CASES.order })}
        >
          {orders.map((order) => <option key={order} value={order}>{ORDER_NAMES[order]}</option>)}
        </select>
      </label>
    </form>
  );
}
