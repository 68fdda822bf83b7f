/** @jsxImportSource preact */
/** The alternatives at the place of the error, with the evidence for each. */
import { Trouble, Waiting } from "../shell/notice.tsx";
import type { Candidate, Case, Pair } from "../heat/documents.ts";
import { readCandidates } from "../heat/read_case.ts";
import { plain } from "../heat/relevance.ts";
import { TokenBox } from "../heat/token_glyphs.tsx";
import { useLoad } from "../shell/use_load.ts";

/** What the checker says of a candidate's completion, in words. */
export function verdictOf({ passed, completion }: Pick<Candidate, "passed" | "completion">): string {
  if (passed !== null) return passed ? "passed" : "failed";
  return completion === null ? "not tried" : "not known";
}

/** A completion from the forced token on: what comes before is the same for all. */
function sinceForced(completion: string, prefix: string): string {
  return prefix !== "" && completion.startsWith(prefix) ? `…${completion.slice(prefix.length)}` : completion;
}

export function Candidates({ pair, failureCase }: { readonly pair: Pair; readonly failureCase: Case }) {
  const { prefix, tokenCount, promptTokens } = failureCase;
  const { data, error, reload } = useLoad(pair.id, (signal) => readCandidates(pair.id, signal));
  return (
    <section>
      <h2>Candidates at the place of the error</h2>
      <p class="quiet small">Token {tokenCount - promptTokens} of the answer, counted from 0.</p>
      {error === undefined ? null : <Trouble error={error} onRetry={reload} />}
      {data === undefined
        ? error === undefined ? <Waiting what="candidates" /> : null
        : data.length === 0
        ? <p class="quiet small">No alternatives were recorded with this pair.</p>
        : (
          <div class="scroll">
            <table class="table">
              <caption class="unseen">Candidates at the place of the error</caption>
              <thead>
                <tr>
                  <th scope="col" class="number">Rank</th>
                  <th scope="col">Token</th>
                  <th scope="col" class="number">Logit</th>
                  <th scope="col">Checker</th>
                  <th scope="col" class="rollout">Completion when forced</th>
                </tr>
              </thead>
              <tbody>
                {data.map((candidate) => (
                  <tr key={candidate.id}>
                    <td class="number">{candidate.rank}</td>
                    <td>
                      <TokenBox
                        text={candidate.text}
                        side={candidate.id === pair.target.id
                          ? "red"
                          : candidate.id === pair.contrast.id
                          ? "blue"
                          : undefined}
                      />
                      {candidate.id === pair.target.id ? <span class="quiet small after">wrong</span> : null}
                      {candidate.id === pair.contrast.id ? <span class="quiet small after">right</span> : null}
                    </td>
                    <td class="number">{plain(candidate.logit)}</td>
                    <td>{verdictOf(candidate)}</td>
                    <td class="rollout">
                      {candidate.completion === null ? <span class="quiet">not tried</span> : (
                        <details>
                          <summary>{sinceForced(candidate.completion, prefix)}</summary>
                          <pre>{candidate.completion}</pre>
                        </details>
                      )}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
    </section>
  );
}
