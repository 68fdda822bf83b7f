/** The relevance of an attribution as a NumPy file. */
import { eq } from "drizzle-orm";
import type { Database } from "../../schema/tables/database.ts";
import { attributions } from "../../schema/tables/tables.ts";

/** Answers `/attributions/ID.npy` with [layers + 1, tokens] little-endian f32; undefined for other paths. */
export async function downloadRelevance(db: Database, path: string): Promise<Response | undefined> {
  const id = /^\/attributions\/(\d{1,9})\.npy$/.exec(path)?.[1];
  if (id === undefined) return undefined;
  const [row] = await db.select({
    layers: attributions.layers,
    tokenCount: attributions.tokenCount,
    relevance: attributions.relevance,
  }).from(attributions).where(eq(attributions.id, Number(id)));
  if (!row) return new Response("There is no such attribution\n", { status: 404 });
  const file = npyFile([row.layers + 1, row.tokenCount], row.relevance);
  return new Response(file, {
    headers: {
      "content-type": "application/octet-stream",
      "content-disposition": `attachment; filename="attribution-${id}.npy"`,
      // An attribution never changes once it is stored.
      "cache-control": "private, max-age=31536000, immutable",
    },
  });
}

/** NumPy's format 1.0 (numpy.lib.format): magic, version, padded header, then the values row by row. */
function npyFile(shape: readonly number[], values: Uint8Array): Uint8Array<ArrayBuffer> {
  const dictionary = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(", ")}), }`;
  const unpadded = 10 + dictionary.length + 1;
  const padding = (64 - unpadded % 64) % 64;
  const header = dictionary + " ".repeat(padding) + "\n";
  const file = new Uint8Array(10 + header.length + values.length);
  file.set([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, header.length & 0xff, header.length >> 8]);
  file.set(new TextEncoder().encode(header), 10);
  file.set(values, 10 + header.length);
  return file;
}
