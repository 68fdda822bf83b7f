/** Attribution graphs as files over HTTP. */
import { gunzipSync } from "node:zlib";
import { eq } from "drizzle-orm";
import { attributionGraphs } from "../../schema/tables/analysis_tables.ts";
import type { Database } from "../../schema/tables/database.ts";

const PATH = /^\/graphs\/(\d{1,9})\.cgf$/;

/** Answers `/graphs/ID.cgf` with a graph file; undefined for other paths. */
export async function downloadGraph(db: Database, path: string): Promise<Response | undefined> {
  const id = PATH.exec(path)?.[1];
  if (id === undefined) return undefined;
  const [row] = await db.select({ file: attributionGraphs.file }).from(attributionGraphs)
    .where(eq(attributionGraphs.id, Number(id)));
  if (!row) return new Response("There is no such graph\n", { status: 404 });
  return new Response(new Uint8Array(gunzipSync(row.file)), {
    headers: {
      "content-type": "application/octet-stream",
      "content-disposition": `attachment; filename="graph-${id}.cgf"`,
      // A graph never changes once it is stored.
      "cache-control": "private, max-age=31536000, immutable",
    },
  });
}
