/** @jsxImportSource preact */
/** How far readers agree with the classifier and with each other, read when it is opened. */
import { useState } from "preact/hooks";
import { request } from "../shell/client.ts";
import { Trouble } from "../shell/notice.tsx";
import { type Agreement, READER_AGREEMENT } from "./documents.ts";
import { Term } from "../shell/term.tsx";
import { useLoad } from "../shell/use_load.ts";

export function ReaderAgreement() {
  const [open, setOpen] = useState(false);
  const { data, error, reload } = useLoad(
    open ? "reader agreement" : null,
    (signal) => request(READER_AGREEMENT, {}, signal),
  );
  return (
    <details class="small" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>Agreement of readers and classifier</summary>
      {error !== undefined ? <Trouble error={error} onRetry={reload} /> : null}
      {data === undefined ? null : (
        <div class="scroll">
          <table class="table">
            <caption class="unseen">Cohen's kappa of each two, over the token pairs that both read</caption>
            <thead>
              <tr>
                <th scope="col">
                  <Term of="kappa" />
                </th>
                <th scope="col" class="number">Pairs</th>
                <th scope="col" class="number">Outcome</th>
                <th scope="col" class="number">Pattern</th>
              </tr>
            </thead>
            <tbody>
              {data.labelAgreement.map(({ one, other, pairs, outcome, pattern }) => (
                <tr key={`${one} ${other}`}>
                  <th scope="row">{one ?? "Classifier"} and {other}</th>
                  <td class="number">{pairs}</td>
                  <td class="number">{shown(outcome)}</td>
                  <td class="number">{shown(pattern)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}

/** Kappa, and the share on which both say the same; no kappa where both always say one and the same. */
const shown = ({ kappa, observed }: Agreement): string =>
  `${kappa === null ? "–" : kappa.toFixed(2)} (${Math.round(100 * observed)} %)`;
