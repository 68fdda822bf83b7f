/// <reference lib="dom" />
/** @jsxImportSource preact */
/** What the page is about, for who sees it the first time: one case to begin with, until it is closed. */
import { useState } from "preact/hooks";
import { request } from "../shell/client.ts";
import { FIND_CASE } from "./documents.ts";
import type { CaseLine } from "./read_cases.ts";
import { caseRoute, formatRoute, RUN } from "../shell/route.ts";
import { useLoad } from "../shell/use_load.ts";

/** A failure of the demo model that needs no explanation: a comma where the prompt forbids commas. */
const EXAMPLE = "demo-ifeval/0704";
const SEEN = "culprit welcome";

function wasSeen(): boolean {
  try {
    return localStorage.getItem(SEEN) !== null;
  } catch {
    return false;
  }
}

export function Welcome({ lines }: { readonly lines: readonly CaseLine[] }) {
  const [seen, setSeen] = useState(wasSeen);
  const reading = useLoad(
    seen ? null : "example",
    async (signal) => (await request(FIND_CASE, { key: EXAMPLE }, signal)).failureCases.nodes[0] ?? null,
  );
  if (seen || reading.data === undefined) return null;
  const own = lines.find(({ rules }) => rules.length > 0);
  const to = reading.data === null ? own?.to : caseRoute(reading.data.id);
  const close = () => {
    setSeen(true);
    try {
      localStorage.setItem(SEEN, "yes");
    } catch {
      // It shows again next time.
    }
  };
  return (
    <aside class="welcome" aria-label="What this page shows">
      <p>
        Each line is an answer that went wrong at one token. A case shows which tokens of the text pushed the model to
        the <span class="red">wrong token</span>, and which spoke for the{" "}
        <span class="blue">right one</span>; then how that went through the layers, and what flips when they are masked.
      </p>
      <p class="buttons">
        {to === undefined ? null : (
          <a class="button strong" href={formatRoute(to)} onClick={close}>
            {reading.data === null ? "Open the first" : "Open an example"}
          </a>
        )}
        <a class="button" href={formatRoute(RUN)}>Bring your own</a>
        <button type="button" class="link small" onClick={close}>Do not show this again</button>
      </p>
    </aside>
  );
}
