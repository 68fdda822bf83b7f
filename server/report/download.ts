/** The report over HTTP: `/report.html?model=&benchmark=&key=&selection=&study=&rule=&seed=`. */
import { InputError, RULES } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { checkModel, SELECTIONS } from "../jobs/pair_selection.ts";
import { reportPage } from "./page.tsx";
import { readReport, type ReportRequest } from "./read_report.ts";

/** Answers with the page, or with one line about what is wrong. */
export async function downloadReport(db: Database, url: URL): Promise<Response> {
  try {
    const request = requestOf(url.searchParams);
    await checkModel(db, request.selection.model, "model");
    const page = reportPage(await readReport(db, request));
    // Nothing in it needs a script, a frame or another host.
    const policy = "default-src 'none'; style-src 'unsafe-inline'";
    return new Response(page, {
      headers: { "content-type": "text/html; charset=utf-8", "content-security-policy": policy },
    });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return new Response(`${error.message}\n`, { status: 400 });
  }
}

function requestOf(given: URLSearchParams): ReportRequest {
  const text = (name: string) => given.get(name) || null;
  const oneOf = <Name extends string>(name: string, known: readonly Name[]): Name => {
    const asked = text(name) ?? known[0];
    const found = known.find((one) => one === asked);
    if (found) return found;
    throw new InputError(`${JSON.stringify(asked)} is not known`, name, `give one of: ${known.join(", ")}`);
  };
  const seed = text("seed") ?? "1";
  if (!/^\d{1,9}$/.test(seed)) {
    throw new InputError(`${JSON.stringify(seed)} is no seed`, "seed", "give a whole number");
  }
  return {
    selection: {
      selection: oneOf("selection", SELECTIONS),
      model: text("model"),
      benchmarks: text("benchmark")?.split(",") ?? null,
      key: text("key"),
      limit: null,
    },
    rule: oneOf("rule", RULES),
    study: text("study") ?? undefined,
    seed: Number(seed),
  };
}
