/** Which adapters this machine has, which one computes, and why the others do not. */
import { existsSync, readFileSync } from "node:fs";
import type { AdapterInfo, FoundAdapter } from "./adapter_info.ts";
import { InputError } from "../errors.ts";
import { isSoftware, lavapipeManifest, nameOf, requestBundled, requestFrom } from "./adapter.ts";

const NO_HARDWARE = {
  linux: "no driver of one was found: install your vendor's Vulkan driver",
  darwin: "Metal names none",
  windows: "Direct3D 12 names none: install your vendor's driver",
};

/**
 * Looks for an adapter of each kind. `chosen` is the one that was opened, undefined where none could be; `wanted` is
 * what CULPRIT_ADAPTER asks for.
 */
export async function surveyAdapters(
  chosen: AdapterInfo | undefined,
  wanted: string | undefined,
): Promise<readonly FoundAdapter[]> {
  const best = await requestFrom();
  const hardware = best && !isSoftware(best) ? best : null;
  const software = best && isSoftware(best) ? best : await requestFrom("llvmpipe") ?? await requestFrom("SwiftShader");
  const bundled = await requestBundled().catch((error: unknown) => {
    if (error instanceof InputError) return error.what;
    throw error;
  });
  const rows = [
    found("hardware", hardware, "a GPU", hardwareReason()),
    found("system", software, "Mesa's lavapipe", softwareReason()),
    typeof bundled === "string"
      ? { kind: "bundled" as const, name: "SwiftShader", missing: bundled }
      : found("bundled", bundled, "SwiftShader", "it does not start"),
  ];
  return rows.map(({ kind, name, missing }) => {
    const isChosen = missing === undefined && chosen?.kind === kind && chosen.name === name;
    return { name, kind, chosen: isChosen, why: missing ?? whyChosen(isChosen, chosen, wanted) };
  });
}

function found(kind: AdapterInfo["kind"], adapter: GPUAdapter | null, otherwise: string, missing: string) {
  return adapter ? { kind, name: nameOf(adapter), missing: undefined } : { kind, name: otherwise, missing };
}

function whyChosen(isChosen: boolean, chosen: AdapterInfo | undefined, wanted: string | undefined): string {
  if (wanted !== undefined) {
    const asked = `CULPRIT_ADAPTER asks for ${JSON.stringify(wanted)}`;
    return isChosen ? `it computes: ${asked}` : `usable, but ${asked}`;
  }
  if (isChosen) return "it computes: the fastest kind that was found";
  return chosen ? `usable, but ${chosen.name} is of a faster kind` : "usable";
}

function hardwareReason(): string {
  const { os } = Deno.build;
  return os === "linux" || os === "darwin" || os === "windows" ? NO_HARDWARE[os] : NO_HARDWARE.linux;
}

/** The oldest Mesa whose Vulkan Dawn takes names this version of it in its manifest; Mesa 22.3 names 1.3. */
function softwareReason(): string {
  if (Deno.build.os !== "linux") return "looked for on Linux only";
  const manifest = lavapipeManifest();
  const get = "install Mesa 24 or newer: apt-get install mesa-vulkan-drivers (Debian 12: -t bookworm-backports)";
  if (manifest === undefined || !existsSync(manifest)) return `it is not installed; ${get}`;
  const version = /"api_version":\s*"([\d.]+)"/.exec(readFileSync(manifest, "utf8"))?.[1] ?? "unknown";
  return `${manifest} names Vulkan ${version}, and Dawn refuses it: too old; ${get}`;
}
