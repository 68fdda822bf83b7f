/** A worker computes only on an adapter whose numbers are right: checked once for each adapter, driver and engine. */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { getLogger } from "@logtape/logtape";
import { type AdapterCheck, type Engine, InputError } from "../../gpu/mod.ts";
import { engineName, noteAdapterChecked } from "../base/provenance.ts";

/**
 * Runs the short check, unless the folder `home` says that this adapter, driver and engine passed it before. Throws
 * InputError where the numbers are wrong: nothing may be stored then.
 */
export async function requireRightNumbers(
  engine: Pick<Engine, "adapter" | "check">,
  home: string,
): Promise<void> {
  const { name, identity, lanes } = engine.adapter;
  const matrix = Deno.env.get("CULPRIT_MATRIX") ?? "";
  const key = createHash("sha256").update(JSON.stringify([identity, lanes, matrix, engineName()])).digest("hex");
  const path = join(home, "checked", `${key.slice(0, 32)}.json`);
  if (!await hasPassed(path)) {
    const check = await engine.check({ short: true });
    if (!check.holds) {
      throw new InputError(
        `${name} computes wrong numbers: ${wrongOnes(check)}`,
        "CULPRIT_ADAPTER",
        "update the adapter's driver, or name another one; npx culprit doctor shows all",
      );
    }
    await remember(path, { adapter: identity, engine: engineName(), check });
  }
  noteAdapterChecked();
}

function wrongOnes({ golden, conservation, product }: AdapterCheck): string {
  const values = [
    ...golden.map(({ model, rule, ...value }) => [`${model} by ${rule}`, value] as const),
    ["conservation", conservation] as const,
    ["products", product] as const,
  ];
  return values.filter(([, { holds }]) => !holds)
    .map(([what, { error }]) => `${what} off by ${error.toExponential(1)}`).join(", ");
}

async function hasPassed(path: string): Promise<boolean> {
  try {
    const { check } = JSON.parse(await readFile(path, "utf8")) as { readonly check?: AdapterCheck };
    return check?.holds === true;
  } catch {
    // Never checked, or half a file: it is checked again.
    return false;
  }
}

async function remember(path: string, record: unknown): Promise<void> {
  try {
    await mkdir(join(path, ".."), { recursive: true });
    const draft = `${path}.${crypto.randomUUID()}`;
    await writeFile(draft, `${JSON.stringify(record)}\n`);
    await rename(draft, path);
  } catch (error) {
    // A folder that cannot be written: the next worker checks again.
    getLogger(["culprit", "worker"]).warn("The adapter's check was not written down: {error}", { error });
  }
}
