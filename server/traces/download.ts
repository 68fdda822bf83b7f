/** Traces as files over HTTP. */
import { eq } from "drizzle-orm";
import type { Database } from "../../schema/tables/database.ts";
import { failureCases, tokenPairs } from "../../schema/tables/tables.ts";
import { traces } from "../../schema/tables/trace_tables.ts";
import { lostAt } from "../../schema/tables/trace_values.ts";
import type { TraceDocument } from "./trace_json.ts";

const PATH = /^\/traces\/(\d{1,9})\.(json|svg)$/;

/** Answers `/traces/ID.json` as `culprit trace --json` and `/traces/ID.svg` as its picture; undefined for other paths. */
export async function downloadTrace(db: Database, path: string): Promise<Response | undefined> {
  const [, id, kind] = PATH.exec(path) ?? [];
  if (id === undefined) return undefined;
  const trace = await readTrace(db, Number(id));
  if (trace === undefined) return new Response("There is no such trace\n", { status: 404 });
  const headers = {
    "content-disposition": `attachment; filename="trace-${id}.${kind}"`,
    // A trace never changes once it is stored.
    "cache-control": "private, max-age=31536000, immutable",
  };
  if (kind === "json") return Response.json(trace, { headers });
  const { traceSvg } = await import("./trace_picture.ts");
  return new Response(traceSvg(trace), { headers: { ...headers, "content-type": "image/svg+xml" } });
}

/** A stored trace; undefined where there is none. */
export async function readTrace(db: Database, id: number): Promise<TraceDocument | undefined> {
  const [found] = await db.select({
    trace: traces,
    pair: {
      targetId: tokenPairs.targetId,
      targetText: tokenPairs.targetText,
      targetLogit: tokenPairs.targetLogit,
      contrastId: tokenPairs.contrastId,
      contrastText: tokenPairs.contrastText,
      contrastLogit: tokenPairs.contrastLogit,
    },
    inputIds: failureCases.inputIds,
    tokens: failureCases.tokenTexts,
  }).from(traces).innerJoin(tokenPairs, eq(tokenPairs.id, traces.tokenPairId))
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId)).where(eq(traces.id, id));
  if (found === undefined) return undefined;
  const { trace, pair, inputIds, tokens } = found;
  const { rule, promptTokens, tokenCount, sentences, steps, error, heat, signedHeat, relevance, reach } = trace;
  return {
    rule,
    inputIds,
    tokens,
    promptTokens,
    sentences,
    steps,
    error: {
      ...error,
      target: { id: pair.targetId, text: pair.targetText, logit: pair.targetLogit },
      contrast: { id: pair.contrastId, text: pair.contrastText, logit: pair.contrastLogit },
    },
    heat: floatsOf(heat),
    signedHeat: floatsOf(signedHeat),
    relevance: floatsOf(relevance).slice(-tokenCount),
    reach,
    lostAt: reach && lostAt(reach),
    adapter: trace.adapter,
    seconds: trace.seconds,
  };
}

/** Of little-endian f32. */
function floatsOf(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.byteLength / 4 }, (_, index) => view.getFloat32(index * 4, true));
}
