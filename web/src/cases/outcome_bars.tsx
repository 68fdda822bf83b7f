/** @jsxImportSource preact */
/** Outcomes of the diagnosed attributions by benchmark, as shares. Each part of a bar leads to its cases. */
import { useEffect } from "preact/hooks";
import { request } from "../shell/client.ts";
import { COUNT_OUTCOMES, type OutcomeCount } from "./documents.ts";
import { type Outcome, OUTCOMES } from "../shell/names.ts";
import { CASES, formatRoute } from "../shell/route.ts";
import { save } from "../shell/save.ts";
import { Term } from "../shell/term.tsx";
import { useLoad } from "../shell/use_load.ts";

const SHOWN = Object.keys(OUTCOMES) as Outcome[];

interface Bar {
  readonly benchmark: string;
  readonly total: number;
  readonly parts: readonly { readonly outcome: Outcome; readonly count: number }[];
}

/** A bar for each benchmark that has a diagnosis. */
function barsOf(counts: readonly OutcomeCount[]): readonly Bar[] {
  const benchmarks = [...new Set(counts.flatMap(({ keys }) => keys[0] ?? []))].sort();
  return benchmarks.map((benchmark): Bar => {
    const parts = SHOWN.map((outcome) => ({
      outcome,
      count: counts.filter(({ keys }) => keys[0] === benchmark && keys[1] === outcome)
        .reduce((sum, { count }) => sum + count, 0),
    }));
    return { benchmark, parts, total: parts.reduce((sum, { count }) => sum + count, 0) };
  }).filter(({ total }) => total > 0);
}

export function OutcomeBars({ ended }: { readonly ended: number }) {
  const reading = useLoad("outcomes", (signal) => request(COUNT_OUTCOMES, {}, signal));
  useEffect(() => {
    if (ended > 0) reading.reload();
  }, [ended]);
  const bars = barsOf(reading.data?.attributionCounts.nodes ?? []);
  if (bars.length === 0) return null;
  return (
    <section class="study outcomes" aria-label="Outcomes by benchmark">
      <h2>
        <Term of="outcome">Outcomes</Term> by benchmark
      </h2>
      <p class="quiet small">
        What explains failures. Selected: all {bars.reduce((sum, { total }) => sum + total, 0).toLocaleString("en")}
        {" "}
        attributions that were diagnosed, of every rule and model; a failure that was attributed twice counts twice.
      </p>
      <ul>
        {bars.map(({ benchmark, parts, total }) => (
          <li key={benchmark}>
            <span>{benchmark}</span>
            <span class="stack">
              {parts.map(({ outcome, count }, index) => {
                if (count === 0) return null;
                const share = 100 * count / total;
                const words = `${benchmark}: ${OUTCOMES[outcome].meaning}, ${count} of ${total}`;
                return (
                  <a
                    key={outcome}
                    class={`share-${index}`}
                    style={{ flexGrow: count }}
                    href={formatRoute({ ...CASES, list: "attributions", benchmark, outcome })}
                    title={words}
                    aria-label={words}
                  >
                    {share < 6 ? "" : `${share.toFixed(share > 99.9 ? 0 : 1)} %`}
                  </a>
                );
              })}
            </span>
            <span class="number quiet">{total.toLocaleString("en")}</span>
          </li>
        ))}
      </ul>
      <p class="marks small quiet">
        {SHOWN.map((outcome, index) => (
          <span key={outcome}>
            <i class={`share-${index}`} /> <Term of={OUTCOMES[outcome].term}>{OUTCOMES[outcome].meaning}</Term>
          </span>
        ))}
      </p>
      <p class="small">
        Save the data:{" "}
        <button
          type="button"
          class="link"
          onClick={() => save("outcomes.json", new Blob([JSON.stringify(bars, null, 2)]))}
        >
          JSON
        </button>
      </p>
    </section>
  );
}
