/** @jsxImportSource preact */
/** The alternatives at the place of the error, with the evidence for each. */
import { useEffect, useState } from "preact/hooks";
import { follow, isActive, useJobs } from "../jobs/job_store.ts";
import { request } from "../shell/client.ts";
import { type CaseRoute, formatRoute } from "../shell/route.ts";
import { go } from "../shell/use_route.ts";
import { EXPLAIN_AGAINST } from "./documents.ts";
import { Trouble, Waiting } from "../shell/notice.tsx";
import type { Candidate, Case, Pair } from "../heat/documents.ts";
import { readCandidates } from "../heat/read_case.ts";
import { plain } from "../heat/relevance.ts";
import { TokenBox } from "../heat/token_glyphs.tsx";
import { Term } from "../shell/term.tsx";
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

/** A candidate's token: the pair's own two, a pair that is there already, or a button that attributes against it. */
function CandidateToken({ candidate, pair, failureCase, route, onAsk, busy }: {
  readonly candidate: Candidate;
  readonly pair: Pair;
  readonly failureCase: Case;
  readonly route: CaseRoute;
  readonly onAsk: (candidate: Candidate) => void;
  readonly busy: boolean;
}) {
  const { id, text } = candidate;
  if (id === pair.target.id) return <Named text={text} side="red" name="wrong" />;
  if (id === pair.contrast.id) return <Named text={text} side="blue" name="right" />;
  const other = failureCase.tokenPairs.find(({ target, contrast }) =>
    target.id === pair.target.id && contrast.id === id
  );
  if (other !== undefined) {
    return (
      <a href={formatRoute({ ...route, pair: other.id, left: "", right: "" })} title="The attribution against it">
        <TokenBox text={text} />
      </a>
    );
  }
  return (
    <button
      type="button"
      class="link"
      disabled={busy}
      title="Attribute the wrong token against this one"
      onClick={() => onAsk(candidate)}
    >
      <TokenBox text={text} />
    </button>
  );
}

function Named({ text, side, name }: { readonly text: string; readonly side: "red" | "blue"; readonly name: string }) {
  return (
    <>
      <TokenBox text={text} side={side} />
      <span class="quiet small after">{name}</span>
    </>
  );
}

/** Asks for the attribution against a candidate, and goes to it when it is there. */
function useAttributionAgainst(failureCase: Case, pair: Pair, route: CaseRoute) {
  const [asked, setAsked] = useState<{ readonly jobId: string; readonly contrastId: number }>();
  const [trouble, setTrouble] = useState<string>();
  const job = useJobs().find(({ id }) => id === asked?.jobId);
  const there = failureCase.tokenPairs.find(({ target, contrast, attributions }) =>
    target.id === pair.target.id && contrast.id === asked?.contrastId && attributions.length > 0
  );
  useEffect(() => {
    if (there !== undefined) go({ ...route, pair: there.id, rule: "ATTNLRP", left: "", right: "" });
  }, [there?.id]);
  const ask = async ({ id }: Candidate) => {
    setTrouble(undefined);
    try {
      const { explain } = await request(EXPLAIN_AGAINST, {
        input: { failureCase: failureCase.id, target: { id: pair.target.id }, contrast: { id } },
      });
      if (explain.__typename === "InputError") setTrouble(explain.problem);
      else setAsked({ jobId: follow(explain.job), contrastId: id });
    } catch (error) {
      setTrouble((error as Error).message);
    }
  };
  return { ask, busy: job !== undefined && isActive(job), problem: trouble ?? job?.error?.message };
}

export function Candidates({ route, pair, failureCase }: {
  readonly route: CaseRoute;
  readonly pair: Pair;
  readonly failureCase: Case;
}) {
  const { prefix, tokenCount, promptTokens } = failureCase;
  const { ask, busy, problem } = useAttributionAgainst(failureCase, pair, route);
  const { data, error, reload } = useLoad(pair.id, (signal) => readCandidates(pair.id, signal));
  return (
    <section>
      <h2>
        <Term of="candidate">Candidates</Term> at the place of the error
      </h2>
      <p class="quiet small">
        Token {tokenCount - promptTokens} of the response, counted from 0. Click a token to attribute against it.
      </p>
      {busy ? <p class="quiet small" role="status">Attributing against it</p> : null}
      {problem === undefined ? null : <p role="alert">{problem}</p>}
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
                  <th scope="col" class="number">
                    <Term of="logit" />
                  </th>
                  <th scope="col">
                    <Term of="checker" />
                  </th>
                  <th scope="col" class="rollout">Completion when forced</th>
                </tr>
              </thead>
              <tbody>
                {data.map((candidate) => (
                  <tr key={candidate.id}>
                    <td class="number">{candidate.rank}</td>
                    <td>
                      <CandidateToken
                        candidate={candidate}
                        pair={pair}
                        failureCase={failureCase}
                        route={route}
                        onAsk={ask}
                        busy={busy}
                      />
                    </td>
                    <td class="number">{plain(candidate.logit)}</td>
                    <td>{verdictOf(candidate)}</td>
                    <td class="rollout">
                      {candidate.completion === null ? <span class="quiet">not tried</span> : (
                        <details>
                          <summary>
                            {sinceForced(candidate.completion, prefix)}
                            {candidate.endedEarly !== true
                              ? null
                              : <span class="quiet small after" title="It fails whatever follows">ended early</span>}
                          </summary>
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
