/**
 * Finding an adapter: hardware, the system's software Vulkan, the bundled SwiftShader, in this order. Adapters come from
 * Dawn through the npm package `webgpu`.
 */
import { createReadStream, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join } from "node:path";
import { pipeline as streamPipeline } from "node:stream/promises";
import { createBrotliDecompress } from "node:zlib";
import { extract } from "tar-fs";
import { create, globals } from "webgpu";
import type { AdapterInfo } from "./adapter_info.ts";
import { InputError } from "../errors.ts";
import { cacheFolder } from "./cache_folder.ts";

Object.assign(globalThis, globals);

/**
 * Objects that Dawn's `create()` returns live as long as the process: once one is collected, the next event poll
 * crashes on every adapter.
 */
const instances: GPU[] = [];
(globalThis as { culpritDawnInstances?: GPU[] }).culpritDawnInstances = instances;

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|basic render/i;

/** Why a machine has no bundled adapter; undefined where it has. */
export function refuseBundled(os: string, arch: string): InputError | undefined {
  if (os === "linux" && arch === "x86_64") return undefined;
  const drivers: Readonly<Record<string, string>> = {
    linux: "install Mesa 24 or newer: apt-get install mesa-vulkan-drivers",
    darwin: "update macOS: its Metal drives every Mac's GPU",
    windows: "install your GPU's driver for Direct3D 12",
  };
  return new InputError(
    `no usable GPU was found, and the bundled software adapter is for Linux x86-64, not ${os} ${arch}`,
    "adapter",
    drivers[os] ?? "install a Vulkan driver",
  );
}

/** Unpacks the SwiftShader of `@sparticuz/chromium` once and returns its folder. Safe with several processes. */
async function unpackBundledAdapter(): Promise<string> {
  const refusal = refuseBundled(Deno.build.os, Deno.build.arch);
  if (refusal) throw refusal;
  // The package's main module lies in build/; the archive beside it in bin/.
  const main = createRequire(import.meta.url).resolve("@sparticuz/chromium");
  const packageFolder = main.slice(0, main.lastIndexOf("chromium") + "chromium".length);
  const archive = join(packageFolder, "bin", "swiftshader.tar.br");
  const folder = join(cacheFolder(), "adapters", "swiftshader");
  if (existsSync(join(folder, "vk_swiftshader_icd.json"))) return folder;
  const partial = `${folder}.${Deno.pid}.${performance.now()}`;
  mkdirSync(partial, { recursive: true });
  try {
    await streamPipeline(createReadStream(archive), createBrotliDecompress(), extract(partial));
    renameSync(partial, folder);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    // Another process may have finished first.
    if (!existsSync(join(folder, "vk_swiftshader_icd.json"))) throw error;
  }
  return folder;
}

/** Loaded libraries stay loaded: Dawn calls into them for the life of the process. */
const loadedLibraries: unknown[] = [];

/** The bundled SwiftShader. Throws InputError where there is none for this machine. */
export async function requestBundled(): Promise<GPUAdapter | null> {
  const folder = await unpackBundledAdapter();
  // Dawn loads `libvulkan.so.1` by name; a library of that name that is already in the process answers, so neither
  // LD_LIBRARY_PATH nor a process of its own is needed. The loader reads VK_DRIVER_FILES when an instance is made.
  try {
    loadedLibraries.push(Deno.dlopen("libvulkan.so.1", {}));
  } catch {
    loadedLibraries.push(Deno.dlopen(join(folder, "libvulkan.so.1"), {}));
  }
  const before = Deno.env.get("VK_DRIVER_FILES");
  Deno.env.set("VK_DRIVER_FILES", join(folder, "vk_swiftshader_icd.json"));
  try {
    return await requestFrom();
  } finally {
    if (before === undefined) Deno.env.delete("VK_DRIVER_FILES");
    else Deno.env.set("VK_DRIVER_FILES", before);
  }
}

/** The Vulkan version (1.4.x) that the manifest of Mesa 26.2 names, the first whose compiler is quick; 25.0 names 305. */
const QUICK_LAVAPIPE = 354;

/**
 * lavapipe takes subgroups of 8 lanes even where the processor computes with 16; with 16 its products are a quarter
 * faster, but before Mesa 26.2 their kernels take seconds to compile (test/bench/README.md). It reads the variable when
 * Dawn first looks for adapters; whoever has set it decides.
 */
function useWideVectors(): void {
  const variable = "LP_NATIVE_VECTOR_WIDTH";
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64" || Deno.env.get(variable) !== undefined) return;
  try {
    const flags = /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1]?.split(" ") ?? [];
    const isWide = ["avx512f", "avx512bw", "avx512dq", "avx512vl"].every((flag) => flags.includes(flag));
    if (isWide && lavapipeVersion() >= QUICK_LAVAPIPE) Deno.env.set(variable, "512");
  } catch {
    // No /proc or no manifest: lavapipe's own choice works everywhere.
  }
}

/** The last part of the Vulkan version in lavapipe's manifest; 0 where there is none. */
function lavapipeVersion(): number {
  const manifest = lavapipeManifest();
  if (manifest === undefined) return 0;
  const { ICD } = JSON.parse(readFileSync(manifest, "utf8")) as { ICD: { api_version: string } };
  return Number(ICD.api_version.split(".")[2]);
}

/** The file that tells Vulkan's loader of lavapipe. */
export function lavapipeManifest(): string | undefined {
  const named = Deno.env.get("VK_DRIVER_FILES") ?? Deno.env.get("VK_ICD_FILENAMES");
  const folders = ["/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/usr/share/vulkan/icd.d"].filter(existsSync);
  const files = named?.split(":") ?? folders.flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)));
  return files.find((file) => basename(file).startsWith("lvp_icd"));
}

/** The adapter of this name, or the one that Dawn takes to be the fastest. */
export async function requestFrom(name?: string): Promise<GPUAdapter | null> {
  useWideVectors();
  let found: Promise<GPUAdapter | null>;
  const restore = silenceStandardError();
  const toggles = dawnToggles();
  try {
    const gpu = create([
      ...name === undefined ? [] : [`adapter=${name}`],
      ...toggles.length === 0 ? [] : [`enable-dawn-features=${toggles.join(",")}`],
    ]);
    instances.push(gpu);
    found = gpu.requestAdapter({ powerPreference: "high-performance" });
  } finally {
    restore();
  }
  // Dawn rejects where no adapter has the name asked for; it gives null where there is none at all.
  return await found.catch(() => null);
}

/**
 * Sends standard error to nowhere until the returned function is called: while Dawn enumerates adapters it warns on
 * standard error of limits that nobody asked for, and the command line promises one line there for bad input.
 */
function silenceStandardError(): () => void {
  if (Deno.build.os !== "linux") return () => {};
  try {
    const libc = Deno.dlopen("libc.so.6", {
      dup: { parameters: ["i32"], result: "i32" },
      dup2: { parameters: ["i32", "i32"], result: "i32" },
      close: { parameters: ["i32"], result: "i32" },
      open: { parameters: ["buffer", "i32"], result: "i32" },
    });
    const WRITE_ONLY = 1;
    const saved = libc.symbols.dup(2);
    const nowhere = libc.symbols.open(new TextEncoder().encode("/dev/null\0"), WRITE_ONLY);
    if (saved < 0 || nowhere < 0) return () => libc.close();
    libc.symbols.dup2(nowhere, 2);
    return () => {
      libc.symbols.dup2(saved, 2);
      libc.symbols.close(saved);
      libc.symbols.close(nowhere);
      libc.close();
    };
  } catch {
    return () => {};
  }
}

/** An adapter in its driver's words. */
export function nameOf(adapter: GPUAdapter): string {
  const { description, device, vendor } = adapter.info;
  return description || device || vendor || "unnamed adapter";
}

export const isSoftware = (adapter: GPUAdapter) =>
  SOFTWARE.test(`${nameOf(adapter)} ${adapter.info.device} ${adapter.info.architecture}`);

/**
 * Finds an adapter. `wanted` is the value of CULPRIT_ADAPTER: `hardware`, `system`, `bundled`, part of an adapter's
 * name, or undefined for the best found. Throws InputError when what is wanted is not there.
 */
export async function findAdapter(
  wanted: string | undefined,
): Promise<{ adapter: GPUAdapter; kind: AdapterInfo["kind"] }> {
  const bundled = async () => {
    const adapter = await requestBundled();
    if (!adapter) {
      throw new InputError("the bundled SwiftShader does not start", "adapter", "install a Vulkan driver");
    }
    return { adapter, kind: "bundled" } as const;
  };
  if (wanted === "bundled") return await bundled();
  const named = wanted !== undefined && wanted !== "hardware" && wanted !== "system";
  const system = await requestFrom(named ? wanted : undefined);
  const kind = system && !isSoftware(system) ? "hardware" : "system";
  if (system) {
    if (named || wanted === undefined || wanted === kind) return { adapter: system, kind };
    if (wanted === "system") {
      for (const name of ["llvmpipe", "SwiftShader"]) {
        const software = await requestFrom(name);
        if (software) return { adapter: software, kind: "system" };
      }
    }
  }
  if (wanted === undefined) return await bundled();
  if (named) {
    const own = await requestBundled();
    if (own && nameOf(own).toLowerCase().includes(wanted.toLowerCase())) return { adapter: own, kind: "bundled" };
  }
  throw new InputError(
    `no adapter fits ${JSON.stringify(wanted)}` + (system ? `; this machine has ${nameOf(system)}` : ""),
    "CULPRIT_ADAPTER",
    "unset it, or use hardware, system, bundled or part of an adapter's name",
  );
}

export const MATRIX_FEATURES = ["chromium-experimental-subgroup-matrix", "shader-f16"] as GPUFeatureName[];
/** Subgroup matrices are behind the first; Dawn hides f16 on NVIDIA's Vulkan without the second. */
const MATRIX_TOGGLES = ["allow_unsafe_apis", "vulkan_enable_f16_on_nvidia"];
export const wantsMatrixUnit = () => Deno.env.get("CULPRIT_MATRIX") === "on";

/**
 * Dawn writes a clamp around each index of a buffer. Our kernels read and write only what is theirs, so they run without;
 * the tests run with it (CULPRIT_ROBUST=on) and without.
 */
const dawnToggles = () => [
  ...Deno.env.get("CULPRIT_ROBUST") === "on" ? [] : ["disable_robustness"],
  ...wantsMatrixUnit() ? MATRIX_TOGGLES : [],
];

export interface MatrixConfig {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** The first of the adapter's matrices that matmul-matrix.wgsl is written for: f16 with f32 sums, subgroups of 32. */
export function matrixConfig(adapter: GPUAdapter): MatrixConfig | undefined {
  const info = adapter.info as GPUAdapterInfo & {
    readonly subgroupMinSize: number;
    readonly subgroupMaxSize: number;
    readonly subgroupMatrixConfigs?: Iterable<MatrixConfig>;
  };
  if (!MATRIX_FEATURES.every((feature) => adapter.features.has(feature))) return undefined;
  if (info.subgroupMinSize !== 32 || info.subgroupMaxSize !== 32) return undefined;
  return [...info.subgroupMatrixConfigs ?? []].find(({ componentType, resultComponentType, M, N, K }) =>
    componentType === "f16" && resultComponentType === "f32" && 32 % M === 0 && 32 % N === 0 && 16 % K === 0
  );
}
