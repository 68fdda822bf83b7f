import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { keptSnapshot } from "./snapshot.ts";

const folder = mkdtempSync(join(tmpdir(), "culprit-snapshot-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What is kept for a version in a folder, and how often it had to be made for that. */
async function ask(place: string, version: string): Promise<readonly [memory: string, made: number]> {
  let made = 0;
  const memory = await keptSnapshot(place, [version], () => {
    made++;
    return Promise.resolve(new TextEncoder().encode(`memory of ${version}`));
  });
  return [new TextDecoder().decode(memory), made];
}

test("a memory is made once for each version, and only the last version's is kept", async () => {
  const place = join(folder, "python");
  expect(await ask(place, "1")).toEqual(["memory of 1", 1]);
  expect(await ask(place, "1")).toEqual(["memory of 1", 0]);
  expect(await ask(place, "2")).toEqual(["memory of 2", 1]);
  expect(await ask(place, "2")).toEqual(["memory of 2", 0]);
  const [name, ...more] = readdirSync(place);
  expect(more).toEqual([]);
  expect(statSync(join(place, name!)).mode & 0o777).toBe(0o600);
});

test("a broken file is made anew; a folder that cannot be written costs time only", async () => {
  const place = join(folder, "broken");
  await ask(place, "1");
  const path = join(place, readdirSync(place)[0]!);
  for (const length of [40, 32, 0]) {
    truncateSync(path, length);
    expect(await ask(place, "1"), `${length} bytes`).toEqual(["memory of 1", 1]);
    expect(await ask(place, "1")).toEqual(["memory of 1", 0]);
  }
  const file = join(folder, "file");
  writeFileSync(file, "");
  for (let times = 0; times < 2; times++) expect(await ask(file, "1")).toEqual(["memory of 1", 1]);
});
