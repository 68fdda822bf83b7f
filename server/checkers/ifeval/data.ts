/** Files of `data/`: JSON, compressed by Brotli. Each is read once, when first needed. */
import { readFileSync } from "node:fs";
import { brotliDecompressSync } from "node:zlib";

/** The value in `data/NAME.json.br`; what shape it has is known to who asks, who made it. */
export function readData<T>(name: string): T {
  const bytes = readFileSync(new URL(`./data/${name}.json.br`, import.meta.url));
  return JSON.parse(brotliDecompressSync(bytes).toString("utf8")) as T;
}
