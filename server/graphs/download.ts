/** Attribution graphs as files over HTTP. */
import { gunzipSync } from "node:zlib";
import { eq } from "drizzle-orm";
import { attributionGraphs } from "../../schema/tables/analysis_tables.ts";
import type { Database } from "../../schema/tables/database.ts";
import { readCircuit } from "./read_circuit.ts";

const PATH = /^\/graphs\/(\d{1,9})\.(cgf|json)$/;

/**
 * Answers `/graphs/ID.cgf` with a graph file, `/graphs/ID.json` with the graph as circuit-tracer and Neuronpedia read it;
 * undefined for other paths.
 */
export async function downloadGraph(db: Database, path: string): Promise<Response | undefined> {
  const [, id, kind] = PATH.exec(path) ?? [];
  if (id === undefined) return undefined;
  if (kind === "json") return await downloadCircuit(db, Number(id));
  const [row] = await db.select({ file: attributionGraphs.file }).from(attributionGraphs)
    .where(eq(attributionGraphs.id, Number(id)));
  if (!row) return missing();
  return new Response(new Uint8Array(gunzipSync(row.file)), {
    headers: {
      "content-type": "application/octet-stream",
      "content-disposition": `attachment; filename="graph-${id}.cgf"`,
      // A graph never changes once it is stored.
      "cache-control": "private, max-age=31536000, immutable",
    },
  });
}

const missing = (): Response => new Response("There is no such graph\n", { status: 404 });

async function downloadCircuit(db: Database, id: number): Promise<Response> {
  const circuit = await readCircuit(db, id);
  if (circuit === undefined) return missing();
  return Response.json(circuit, {
    headers: {
      "content-disposition": `attachment; filename="graph-${id}.json"`,
      "cache-control": "private, max-age=3600",
    },
  });
}
