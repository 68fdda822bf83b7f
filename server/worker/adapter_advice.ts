/** What would compute faster than the adapter that was found. The factors are measured: test/bench/README.md. */
import type { AdapterInfo } from "../../gpu/mod.ts";

/** The first Mesa whose lavapipe is as fast as the others are not: it fuses multiplications and additions. */
const QUICK_MESA = [26, 2] as const;

/** One line, or undefined: for a GPU, for whoever chose the adapter, and where nothing else runs. */
export function adapterAdvice(
  { kind, name }: Pick<AdapterInfo, "kind" | "name">,
  wanted: string | undefined,
  platform: string = Deno.build.os,
): string | undefined {
  if (kind === "hardware" || wanted !== undefined || platform !== "linux") return undefined;
  if (kind === "bundled") {
    return "No GPU was found: SwiftShader computes. Mesa's lavapipe multiplies three times as fast, since Mesa 26.2 nine " +
      "times: apt-get install mesa-vulkan-drivers (24 or newer; Debian 12: -t bookworm-backports), or " +
      "dnf install mesa-vulkan-drivers. A GPU with its Vulkan driver goes before both; npx culprit doctor measures";
  }
  const [, major, minor] = /Mesa (\d+)\.(\d+)/.exec(name) ?? [];
  const isQuick = Number(major) > QUICK_MESA[0] || (Number(major) === QUICK_MESA[0] && Number(minor) >= QUICK_MESA[1]);
  if (major === undefined || isQuick) return undefined;
  return `No GPU was found: Mesa ${major}.${minor} computes. Mesa 26.2 or newer is twice as fast; a GPU with its Vulkan ` +
    "driver goes before both; npx culprit doctor measures";
}
