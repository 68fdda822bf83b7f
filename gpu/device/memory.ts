/** How much memory a run may take: what the settings say, or what the system says is free. */
import { existsSync, readFileSync } from "node:fs";
import { InputError } from "../errors.ts";

const UNITS: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** Bytes of a text as 6000000000, 6G or 512M (powers of 1024). Throws InputError. */
export function parseBytes(text: string, where: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?) ?([KMGT]?)(?:i?B)?$/i.exec(text.trim()) ?? [];
  const bytes = Number(number) * (UNITS[(unit ?? "").toUpperCase()] ?? NaN);
  if (Number.isFinite(bytes) && bytes > 0) return Math.floor(bytes);
  throw new InputError(
    `${JSON.stringify(text)} is no amount of memory`,
    where,
    "use bytes, or a number with K, M or G",
  );
}

/** The budget of the setting CULPRIT_MEMORY for all that lies on the device; undefined when it is not set. */
export function memorySetting(): number | undefined {
  const text = Deno.env.get("CULPRIT_MEMORY");
  return text === undefined || text === "" ? undefined : parseBytes(text, "CULPRIT_MEMORY");
}

const numberIn = (path: string): number | undefined => {
  if (!existsSync(path)) return undefined;
  const value = Number(readFileSync(path, "utf8").trim());
  return Number.isFinite(value) ? value : undefined;
};

const GROUP = "/sys/fs/cgroup";

/** Bytes of files that the control group has cached: the system gives them up when they are wanted. */
function cachedBytes(): number {
  if (!existsSync(`${GROUP}/memory.stat`)) return 0;
  const found = readFileSync(`${GROUP}/memory.stat`, "utf8").matchAll(/^(?:in)?active_file (\d+)$/gm);
  return [...found].reduce((sum, [, bytes]) => sum + Number(bytes), 0);
}

/** Bytes of main memory that this process may still take: what is free, within the limit of its control group. */
export function freeHostBytes(): number | undefined {
  if (!existsSync("/proc/meminfo")) return Deno.systemMemoryInfo().available || undefined;
  const [, kilobytes] = /MemAvailable:\s+(\d+) kB/.exec(readFileSync("/proc/meminfo", "utf8")) ?? [];
  const free = kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  const limit = numberIn(`${GROUP}/memory.max`);
  const used = numberIn(`${GROUP}/memory.current`);
  const inGroup = limit === undefined || used === undefined ? undefined : Math.max(0, limit - used + cachedBytes());
  const known = [free, inGroup].filter((bytes) => bytes !== undefined);
  return known.length > 0 ? Math.min(...known) : undefined;
}

/** Bytes that are free on the machine's GPU, where NVIDIA's tool or the kernel's driver tells, or it has no memory of its own. */
export function freeDeviceBytes(): number | undefined {
  // Apple's GPUs use the main memory.
  if (Deno.build.os === "darwin" && Deno.build.arch === "aarch64") return freeHostBytes();
  try {
    const { success, stdout } = new Deno.Command("nvidia-smi", {
      args: ["--query-gpu=memory.free", "--format=csv,noheader,nounits"],
    }).outputSync();
    const free = success ? Number(new TextDecoder().decode(stdout).split("\n")[0]) : NaN;
    if (Number.isFinite(free)) return free * 2 ** 20;
  } catch {
    // There is no such tool.
  }
  for (let card = 0; card < 8; card++) {
    const total = numberIn(`/sys/class/drm/card${card}/device/mem_info_vram_total`);
    const used = numberIn(`/sys/class/drm/card${card}/device/mem_info_vram_used`);
    if (total !== undefined && used !== undefined) return total - used;
  }
  return undefined;
}

/** Resident memory of this process, now and at its largest; undefined where the system does not tell. */
export function residentBytes(): { readonly now: number; readonly peak: number } | undefined {
  if (!existsSync("/proc/self/status")) return undefined;
  const status = readFileSync("/proc/self/status", "utf8");
  const [now, peak] = ["VmRSS", "VmHWM"].map((name) =>
    Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024
  );
  return now && peak ? { now, peak } : undefined;
}

/** Bytes as people read them. */
export function describeBytes(bytes: number): string {
  return bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(2)} GiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
