/** A worker's check of its adapter: done once for each adapter and driver, and again while it fails. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { AdapterCheck, AdapterInfo, Engine } from "../../gpu/mod.ts";
import { computedBy } from "../base/provenance.ts";
import { adapterAdvice } from "./adapter_advice.ts";
import { requireRightNumbers } from "./check_adapter.ts";

let home: string;
beforeEach(() => home = mkdtempSync(join(tmpdir(), "culprit-checked-")));
afterEach(() => rmSync(home, { recursive: true }));

/** An adapter whose golden model is off by so much, and how often it was checked. */
function adapterOff(error: number, identity = "one driver"): Pick<Engine, "adapter" | "check"> & { checks: number } {
  const value = { error, holds: error < 1e-4 };
  const check: AdapterCheck = {
    golden: [{ model: "demo-1m", rule: "attnlrp", ...value }],
    conservation: { error: 0, holds: true },
    product: { error: 0, holds: true },
    holds: value.holds,
  };
  const fake = {
    checks: 0,
    adapter: { name: "Some GPU", identity, lanes: 32 } as AdapterInfo,
    check: () => {
      fake.checks++;
      return Promise.resolve(check);
    },
  };
  return fake;
}

test("wrong numbers are refused each time, right ones are remembered for this driver alone", async () => {
  const wrong = adapterOff(2);
  const refusal =
    /^CULPRIT_ADAPTER: Some GPU computes wrong numbers: demo-1m by attnlrp off by 2\.0e\+0; update the adapter's driver/;
  await expect(requireRightNumbers(wrong, home)).rejects.toThrow(refusal);
  await expect(requireRightNumbers(wrong, home)).rejects.toThrow(refusal);
  expect(wrong.checks).toBe(2);
  expect(computedBy().adapterChecked).toBe(false);

  const right = adapterOff(1e-6);
  await requireRightNumbers(right, home);
  await requireRightNumbers(right, home);
  expect(right.checks).toBe(1);
  expect(computedBy().adapterChecked).toBe(true);

  const updated = adapterOff(1e-6, "another driver");
  await requireRightNumbers(updated, home);
  expect(updated.checks).toBe(1);
});

test("what was written half is not believed, and a folder that cannot be written stops nobody", async () => {
  await requireRightNumbers(adapterOff(0), home);
  const [file] = readdirSync(join(home, "checked"));
  writeFileSync(join(home, "checked", file!), '{"check":{"holds":tr');
  const again = adapterOff(0);
  await requireRightNumbers(again, home);
  expect(again.checks).toBe(1);
  writeFileSync(join(home, "file"), "");
  await requireRightNumbers(adapterOff(0), join(home, "file"));
});

test("who computes in software and did not choose to is told what is faster", () => {
  const advice = (kind: AdapterInfo["kind"], name: string, wanted?: string, platform = "linux") =>
    adapterAdvice({ kind, name }, wanted, platform);
  expect(advice("bundled", "SwiftShader driver 5.0.0")).toMatch(/nine times: apt-get install mesa-vulkan-drivers/);
  expect(advice("system", "llvmpipe: Mesa 25.0.7-2 (LLVM 15)")).toMatch(
    /Mesa 25\.0 computes\. Mesa 26\.2 or newer is twice/,
  );
  expect(advice("system", "llvmpipe: Mesa 26.2.6 (LLVM 22)")).toBeUndefined();
  expect(advice("system", "llvmpipe: Mesa 27.0.0 (LLVM 22)")).toBeUndefined();
  expect(advice("hardware", "NVIDIA")).toBeUndefined();
  expect(advice("bundled", "SwiftShader driver 5.0.0", "bundled")).toBeUndefined();
  expect(advice("system", "WARP", undefined, "windows")).toBeUndefined();
});
