/** `culprit doctor`: what it prints, and how it ends. */
import { afterEach, expect, test } from "vitest";
import { join } from "node:path";
import { ROOT } from "../server/base/settings.ts";
import { culprit, refused } from "./command_line.ts";

const adapter = Deno.env.get("CULPRIT_ADAPTER");
afterEach(() => adapter === undefined ? Deno.env.delete("CULPRIT_ADAPTER") : Deno.env.set("CULPRIT_ADAPTER", adapter));

test("a sound machine: adapters, golden models, speed, estimates, and a model's plan", async () => {
  const { code, out, err } = await culprit(["doctor", "--json", "--model", join(ROOT, "models", "demo-1m")]);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  const found = JSON.parse(out);
  expect(found.holds).toBe(true);
  expect(found.adapters.map(({ kind }: { kind: string }) => kind)).toEqual(["hardware", "system", "bundled"]);
  expect(found.adapters.filter(({ chosen }: { chosen: boolean }) => chosen)).toHaveLength(1);
  for (const one of found.adapters) {
    expect(one).toEqual({
      name: expect.stringMatching(/./),
      kind: expect.any(String),
      chosen: expect.any(Boolean),
      why: expect.stringMatching(/./),
    });
  }
  expect(found.golden).toHaveLength(6);
  for (const one of found.golden) {
    expect(one).toEqual({
      model: expect.any(String),
      rule: expect.any(String),
      error: expect.any(Number),
      holds: true,
    });
  }
  expect(found.gflops).toBeGreaterThan(0);
  expect(found.estimates).toHaveLength(3);
  expect(found.plan).toMatchObject({ fits: true, why: expect.any(String) });
});

test("no adapter fits: what there is is shown, exit code 1", async () => {
  Deno.env.set("CULPRIT_ADAPTER", "no such adapter");
  const { code, out, err } = await culprit(["doctor", "--json"]);
  expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(/^CULPRIT_ADAPTER: no adapter fits .*\n$/) });
  expect(JSON.parse(out)).toMatchObject({ golden: [], gflops: null, estimates: [], holds: false });
  expect(JSON.parse(out).adapters).toHaveLength(3);
});

test("bad arguments", async () => {
  await refused(["doctor", "models/demo-1m"], /^culprit doctor: "models\/demo-1m" is not an option; /);
  await refused(["doctor", "--model", "/nowhere"], /^\/nowhere: there is no such (folder|file)/);
});
