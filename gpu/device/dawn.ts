/**
 * The one file that owns the GPU API: Dawn through the npm package `webgpu`.
 *
 * It finds an adapter (hardware, the system's software Vulkan, the bundled SwiftShader, in this order), opens a
 * device, compiles pipelines, records dispatches, and moves bytes. Everything else in `gpu/` speaks of matrices and
 * kernels and never touches a GPU object's methods.
 */
import { createReadStream, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, join, resolve } from "node:path";
import { pipeline as streamPipeline } from "node:stream/promises";
import { createBrotliDecompress } from "node:zlib";
import { extract } from "tar-fs";
import { create, globals } from "webgpu";
import type { AdapterInfo } from "../engine.ts";
import { InputError } from "../errors.ts";
import type { Tile } from "../kernels/matmul.ts";
import { createLanes, type Lanes } from "./lanes.ts";
import { expandSource } from "../kernels/source.ts";

Object.assign(globalThis, globals);

/**
 * Objects that Dawn's `create()` returns live as long as the process: once one is collected, the next event poll
 * crashes on every adapter.
 */
const instances: GPU[] = [];
(globalThis as { culpritDawnInstances?: GPU[] }).culpritDawnInstances = instances;

/** Values written into a kernel's source before it is compiled; they select variants and unrolled sizes. */
export type Constants = Readonly<Record<string, number | string>>;

export interface Dispatch {
  /** Kernel source file in `gpu/kernels/`, without `.wgsl`. */
  readonly kernel: string;
  readonly constants?: Constants;
  /** Bound at 1, 2, ... in order. */
  readonly bindings: readonly GPUBuffer[];
  /** 32-bit words of the kernel's `Params` uniform, bound at 0, at most 64; floats through `floatBits`. */
  readonly params: readonly number[];
  /** Number of workgroups in x, y, z. */
  readonly workgroups: readonly [number, number, number];
}

const floatWord = new Float32Array(1);
const floatWordBits = new Uint32Array(floatWord.buffer);

/** The bits of a float32, for `Dispatch.params`. */
export function floatBits(value: number): number {
  floatWord[0] = value;
  return floatWordBits[0] as number;
}

/** A subgroup matrix of f16 with f32 sums, M x K times K x N. */
export interface MatrixUnit {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  /** One u32: the bits of a product's largest element. */
  readonly largest: GPUBuffer;
  state: "unchecked" | "good" | "off";
}

interface Pipeline {
  /** Begins the keys of its bind groups. */
  readonly id: number;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

export interface Device {
  readonly info: AdapterInfo;
  /** Resolves with the driver's reason when the device is lost (also after `close`). */
  readonly lost: Promise<string>;
  /** Tiles of matrix products by kind, as autotune.ts found them; others take a default. */
  readonly tiles?: Map<string, Tile>;
  /** Bytes of memory that a workgroup may share. */
  readonly workgroupBytes: number;
  /** Where it was asked for with CULPRIT_MATRIX=on and the adapter reports one that fits; matrix_unit.ts checks it. */
  readonly matrixUnit?: MatrixUnit;
  /** Calls run in them; `flush`, `advance` and `read` give way to the interactive one. */
  readonly lanes: Lanes;
  /** Bytes of live buffers made by `allocate`. */
  allocatedBytes(): number;
  /** Bytes of the process that Deno did not and will not give back, counted from what was made and polled. */
  wasteBytes(): number;
  /**
   * A zeroed storage buffer of at least `bytes`; of no more than that, to 16, where it is to stay. Throws when the
   * adapter has no room for it.
   */
  allocate(bytes: number, label: string, lasting?: boolean): GPUBuffer;
  /** Ends a buffer's use. Small ones may be kept for an `allocate` of the same size to come. */
  free(buffer: GPUBuffer): void;
  /** Frees a buffer and gives its memory back at once. Work recorded so far, which may use it, is submitted before. */
  destroy(buffer: GPUBuffer): void;
  /** Writes host bytes (a multiple of 4) at a byte offset; ordered with recorded work submitted later. */
  write(buffer: GPUBuffer, offset: number, data: Uint32Array | Float32Array | Uint8Array): void;
  /** Appends a kernel run to the work recorded so far. */
  run(dispatch: Dispatch): void;
  /** Appends a copy of `bytes` between buffers to the work recorded so far. */
  copy(from: GPUBuffer, fromOffset: number, to: GPUBuffer, toOffset: number, bytes: number): void;
  /** Appends zeroing of a buffer to the work recorded so far. */
  clear(buffer: GPUBuffer): void;
  /** Submits what was recorded and waits until it is done. Throws on validation errors and device loss. */
  flush(): Promise<void>;
  /**
   * Submits what was recorded and waits until the submission before it is done: the device always has work, and at most
   * two submissions wait. Throws as `flush` does, of what is known by then.
   */
  advance(): Promise<void>;
  /** Submits what was recorded and reads bytes back. */
  read(buffer: GPUBuffer, offset: number, bytes: number): Promise<ArrayBuffer>;
  close(): void;
}

/**
 * Freed buffers and bind groups are kept for reuse: making them costs a short pass more than its work, and Deno never
 * gives back all that an object takes. CULPRIT_KEEP=off goes without.
 */
const keepsBuffers = () => Deno.env.get("CULPRIT_KEEP") !== "off";
/** Buffers up to this size are kept, this many bytes in all. */
const KEPT_BUFFER_BYTES = 16 * 2 ** 20;
const KEPT_BYTES = 256 * 2 ** 20;
/** Bytes that may be kept even where they add to the most that was ever in use. */
const KEPT_ANYWAY_BYTES = 16 * 2 ** 20;

/**
 * Bytes that a buffer takes: those that are kept come in two sizes an octave, so that prompts of about the same length
 * use the same ones.
 */
export function allocationBytes(asked: number, lasting = false): number {
  const step = lasting || !keepsBuffers() || asked > KEPT_BUFFER_BYTES
    ? 16
    : Math.max(16, 2 ** (Math.floor(Math.log2(asked)) - 1));
  return Math.max(16, Math.ceil(asked / step) * step);
}

/** Bind groups kept: a pass of 36 blocks has about 1,500, and one over a longer prompt others. */
const KEPT_BIND_GROUPS = 8192;
/** Bytes of a dispatch's `Params`, which is what WebGPU aligns offsets of uniforms to, and dispatches of a submission. */
const PARAMS_BYTES = 256;
const PARAMS_SLOTS = 4096;

/** WebGPU's limit on workgroups in one dimension of a dispatch. */
export const MAX_WORKGROUPS = 65_535;

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|basic render/i;

/**
 * Under Deno, waiting for the GPU spins the main thread and starves a software adapter of a core. While GPU work is
 * pending, this loop puts the thread to sleep between its turns, longer the longer the wait has been: each turn is a poll
 * of Dawn's, whose function Deno never gives back. Timers and sockets go on in between.
 */
let pendingWaits = 0;
let polls = 0;
let throttling = false;
let waitingSince = 0;
/** What a wait may be longer for sleeping, of what it has taken so far. */
const SLEEP_SHARE = 1 / 16;
const LONGEST_SLEEP_MS = 25;
const sleeper = new Int32Array(new SharedArrayBuffer(4));
function throttle(): void {
  throttling = pendingWaits > 0;
  if (!throttling) return;
  polls++;
  const waited = performance.now() - waitingSince;
  Atomics.wait(sleeper, 0, 0, Math.min(LONGEST_SLEEP_MS, Math.max(1, waited * SLEEP_SHARE)));
  setImmediate(throttle);
}
async function wait<T>(work: Promise<T>): Promise<T> {
  if (pendingWaits++ === 0) waitingSince = performance.now();
  if (!throttling) {
    throttling = true;
    setImmediate(throttle);
  }
  try {
    return await work;
  } finally {
    pendingWaits--;
  }
}

/**
 * What Deno 2.9 keeps of each object that Dawn makes, and of each poll, in bytes: measured with heaptrack, what malloc
 * adds included. `napi_create_external` and `napi_create_function` never free what they allocate.
 */
const OBJECT_WASTE = 48;
const POLL_WASTE = 140;

/** Folder of what this machine keeps: `CULPRIT_HOME` or `.culprit/` in the project's root. */
export function cacheFolder(): string {
  return resolve(Deno.env.get("CULPRIT_HOME") ?? join(import.meta.dirname as string, "..", "..", ".culprit"));
}

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
async function findAdapter(wanted: string | undefined): Promise<{ adapter: GPUAdapter; kind: AdapterInfo["kind"] }> {
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

const MATRIX_FEATURES = ["chromium-experimental-subgroup-matrix", "shader-f16"] as GPUFeatureName[];
/** Subgroup matrices are behind the first; Dawn hides f16 on NVIDIA's Vulkan without the second. */
const MATRIX_TOGGLES = ["allow_unsafe_apis", "vulkan_enable_f16_on_nvidia"];
const wantsMatrixUnit = () => Deno.env.get("CULPRIT_MATRIX") === "on";

/**
 * Dawn writes a clamp around each index of a buffer. Our kernels read and write only what is theirs, so they run without;
 * the tests run with it (CULPRIT_ROBUST=on) and without.
 */
const dawnToggles = () => [
  ...Deno.env.get("CULPRIT_ROBUST") === "on" ? [] : ["disable_robustness"],
  ...wantsMatrixUnit() ? MATRIX_TOGGLES : [],
];

interface MatrixConfig {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** The first of the adapter's matrices that matmul-matrix.wgsl is written for: f16 with f32 sums, subgroups of 32. */
function matrixConfig(adapter: GPUAdapter): MatrixConfig | undefined {
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

/** Opens the best adapter, or the one that `wanted` names (default: CULPRIT_ADAPTER). */
export async function openDevice(wanted: string | undefined = Deno.env.get("CULPRIT_ADAPTER")): Promise<Device> {
  const { adapter, kind } = await findAdapter(wanted === "" ? undefined : wanted);
  const subgroups = adapter.features.has("subgroups");
  const matrix = wantsMatrixUnit() ? matrixConfig(adapter) : undefined;
  const { limits } = adapter;
  const device = await adapter.requestDevice({
    requiredFeatures: [...subgroups ? ["subgroups" as GPUFeatureName] : [], ...matrix ? MATRIX_FEATURES : []],
    // Defaults are small (128 MiB a binding): ask for what the adapter has.
    requiredLimits: {
      maxBufferSize: limits.maxBufferSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
    },
  });
  const info: AdapterInfo = {
    kind,
    name: nameOf(adapter),
    identity: ["vendor", "architecture", "device", "description"].map((part) =>
      adapter.info[part as "vendor" | "architecture" | "device" | "description"]
    ).join(" "),
    lanes: subgroups ? (adapter.info as GPUAdapterInfo & { subgroupMaxSize: number }).subgroupMaxSize : 0,
    bindingBytes: Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize),
  };
  const wrapped = wrapDevice(device, info);
  if (!matrix) return wrapped;
  const { M, N, K } = matrix;
  return { ...wrapped, matrixUnit: { M, N, K, largest: wrapped.allocate(16, "largest element"), state: "unchecked" } };
}

/** The bind group layout that a kernel's source declares; its params, the uniform, are placed by a dynamic offset. */
function bindingsOf(code: string): GPUBindGroupLayoutEntry[] {
  const declared = code.matchAll(/@group\(0\) @binding\((\d+)\) var<(uniform|storage, read|storage, read_write)>/g);
  return Array.from(declared, ([, binding, kind]): GPUBindGroupLayoutEntry => ({
    binding: Number(binding),
    visibility: GPUShaderStage.COMPUTE,
    buffer: kind === "uniform"
      ? { type: "uniform", hasDynamicOffset: true }
      : { type: kind === "storage, read" ? "read-only-storage" : "storage" },
  }));
}

/** Freed buffers by size, to be used again. */
class KeptBuffers {
  readonly #bySize = new Map<number, { readonly buffer: GPUBuffer; readonly id: number }[]>();
  bytes = 0;

  put(buffer: GPUBuffer, size: number, id: number): void {
    const alike = this.#bySize.get(size) ?? [];
    this.#bySize.set(size, alike);
    // The oldest comes first out again: a pass that asks as the last one did gets the same buffers in the same places.
    const place = alike.findLastIndex((other) => other.id > id);
    alike.splice(place + 1, 0, { buffer, id });
    this.bytes += size;
  }

  take(size: number): GPUBuffer | undefined {
    const alike = this.#bySize.get(size);
    const found = alike?.pop();
    if (alike?.length === 0) this.#bySize.delete(size);
    if (found) this.bytes -= size;
    return found?.buffer;
  }

  /** Only where `bytes` is above 0. */
  takeLargest(): GPUBuffer {
    return this.take(Math.max(...this.#bySize.keys())) as GPUBuffer;
  }
}

function wrapDevice(device: GPUDevice, info: AdapterInfo): Device {
  const { STORAGE, COPY_SRC, COPY_DST, MAP_READ, UNIFORM } = GPUBufferUsage;
  const pipelines = new Map<string, Pipeline>();
  // One buffer holds the params of all dispatches of a submission, so that bind groups do not depend on them.
  const params = {
    buffer: device.createBuffer({ label: "params", size: PARAMS_SLOTS * PARAMS_BYTES, usage: UNIFORM | COPY_DST }),
    words: new Uint32Array(PARAMS_SLOTS * PARAMS_BYTES / 4),
    used: 0,
  };
  const live = new Map<GPUBuffer, number>();
  let liveBytes = 0;
  let mostLiveBytes = 0;
  const keeps = keepsBuffers();
  const kept = new KeptBuffers();
  /** Kept buffers that are in use again and hold what was in them before. */
  const toClear = new Set<GPUBuffer>();
  const bindGroups = new Map<string, GPUBindGroup>();
  const ids = new WeakMap<GPUBuffer, number>();
  let lastId = 0;
  /** Objects made so far, each of which leaves something behind. */
  let made = 0;
  function counted<Made>(object: Made): Made {
    made++;
    return object;
  }
  let encoder: GPUCommandEncoder | undefined;
  let pass: GPUComputePassEncoder | undefined;
  let submitted: Promise<undefined> | undefined;
  let failure: string | undefined;
  let lostReason: string | undefined;

  device.addEventListener("uncapturederror", (event) => {
    failure ??= (event as GPUUncapturedErrorEvent).error.message;
    event.preventDefault();
  });
  const lost = device.lost.then((reason) => {
    lostReason = reason.message || reason.reason || "unknown reason";
    return lostReason;
  });

  /** Throws what went wrong on the device since the last check; a lost device stays lost. */
  function check(): void {
    const found = lostReason === undefined ? failure : `device lost: ${lostReason}`;
    failure = undefined;
    if (found !== undefined) throw new Error(`GPU (${info.name}): ${found}`);
  }
  function commands(): GPUCommandEncoder {
    encoder ??= counted(device.createCommandEncoder());
    if (toClear.size > 0) {
      endPass();
      for (const buffer of toClear) encoder.clearBuffer(buffer);
      toClear.clear();
    }
    return encoder;
  }
  function endPass(): void {
    pass?.end();
    pass = undefined;
  }
  function submit(): void {
    endPass();
    if (!encoder) return;
    if (params.used > 0) device.queue.writeBuffer(params.buffer, 0, params.words, 0, params.used * PARAMS_BYTES / 4);
    params.used = 0;
    device.queue.submit([counted(encoder.finish())]);
    encoder = undefined;
  }

  function pipelineFor(kernel: string, constants: Constants): Pipeline {
    const key = `${kernel} ${JSON.stringify(constants)}`;
    let found = pipelines.get(key);
    if (!found) {
      const code = expandSource(kernel, constants);
      const layout = device.createBindGroupLayout({ label: kernel, entries: bindingsOf(code) });
      const pipeline = device.createComputePipeline({
        label: key,
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module: device.createShaderModule({ label: kernel, code }), entryPoint: "main" },
      });
      found = { id: pipelines.size, pipeline, layout };
      pipelines.set(key, found);
    }
    return found;
  }

  function idOf(buffer: GPUBuffer): number {
    let id = ids.get(buffer);
    if (id === undefined) ids.set(buffer, id = ++lastId);
    return id;
  }

  /** Making one costs more than all else of a dispatch, and a pass over the same buffers needs the same ones again. */
  function bindGroupFor({ id, layout }: Pipeline, buffers: readonly GPUBuffer[]): GPUBindGroup {
    const key = `${id} ${buffers.map(idOf).join(" ")}`;
    let group = bindGroups.get(key);
    if (!group) {
      if (bindGroups.size >= KEPT_BIND_GROUPS) bindGroups.clear();
      group = counted(device.createBindGroup({
        layout,
        entries: [
          { binding: 0, resource: { buffer: params.buffer, size: PARAMS_BYTES } },
          ...buffers.map((buffer, index) => ({ binding: index + 1, resource: { buffer } })),
        ],
      }));
      if (keeps) bindGroups.set(key, group);
    }
    return group;
  }

  /** Frees kept buffers until `bytes` more stay within what was once in use together, so that keeping costs no peak. */
  function makeRoom(bytes: number): void {
    const most = Math.max(mostLiveBytes, KEPT_ANYWAY_BYTES);
    while (kept.bytes > 0 && liveBytes + kept.bytes + bytes > most) drop(kept.takeLargest());
  }

  /** The buffer is live no more; its bytes, undefined where it was not. */
  function endUse(buffer: GPUBuffer): number | undefined {
    const size = live.get(buffer);
    if (size === undefined) return undefined;
    live.delete(buffer);
    liveBytes -= size;
    toClear.delete(buffer);
    return size;
  }

  /** Destroys a buffer. A bind group would keep it alive. */
  function drop(buffer: GPUBuffer): void {
    submit();
    bindGroups.clear();
    buffer.destroy();
  }

  /** Where a dispatch's params lie in the buffer of the submission to come. */
  function placeParams(kernel: string, words: readonly number[]): number {
    if (words.length * 4 > PARAMS_BYTES) {
      throw new Error(`${kernel}: ${words.length} params, at most ${PARAMS_BYTES / 4}`);
    }
    if (params.used === PARAMS_SLOTS) submit();
    const offset = params.used++ * PARAMS_BYTES;
    params.words.set(words, offset / 4);
    return offset;
  }

  const lanes = createLanes();

  return {
    info,
    lost,
    lanes,
    tiles: new Map(),
    workgroupBytes: device.limits.maxComputeWorkgroupStorageSize,
    allocatedBytes: () => liveBytes,
    wasteBytes: () => made * OBJECT_WASTE + polls * POLL_WASTE,
    allocate(bytes, label, lasting) {
      check();
      const size = allocationBytes(bytes, lasting);
      if (size > device.limits.maxBufferSize) {
        throw new InputError(
          `${label} needs ${size} bytes in one buffer and ${info.name} allows ${device.limits.maxBufferSize}`,
          "adapter",
          "use a shorter prompt, a smaller model or another adapter",
        );
      }
      const again = kept.take(size);
      if (again) toClear.add(again);
      else makeRoom(size);
      const buffer = again ?? counted(device.createBuffer({ label, size, usage: STORAGE | COPY_SRC | COPY_DST }));
      idOf(buffer);
      live.set(buffer, size);
      liveBytes += size;
      mostLiveBytes = Math.max(mostLiveBytes, liveBytes);
      return buffer;
    },
    free(buffer) {
      const size = endUse(buffer);
      if (size === undefined) return;
      if (keeps && size <= KEPT_BUFFER_BYTES && kept.bytes + size <= KEPT_BYTES) kept.put(buffer, size, idOf(buffer));
      else drop(buffer);
    },
    destroy(buffer) {
      if (endUse(buffer) === undefined) return;
      // What comes next is another model: nothing is kept for it, and its peak is its own.
      while (kept.bytes > 0) drop(kept.takeLargest());
      mostLiveBytes = liveBytes;
      drop(buffer);
    },
    write(buffer, offset, data) {
      if (offset === 0 && data.byteLength === live.get(buffer)) toClear.delete(buffer);
      if (toClear.has(buffer)) commands();
      submit();
      device.queue.writeBuffer(buffer, offset, data as BufferSource);
    },
    run({ kernel, constants = {}, bindings, params: words, workgroups }) {
      if (workgroups.some((count) => count > MAX_WORKGROUPS)) {
        throw new Error(`${kernel}: ${workgroups.join(" x ")} workgroups, at most ${MAX_WORKGROUPS} a dimension`);
      }
      if (workgroups.includes(0)) return;
      const compiled = pipelineFor(kernel, constants);
      const offset = placeParams(kernel, words);
      const recording = commands();
      pass ??= counted(recording.beginComputePass());
      pass.setPipeline(compiled.pipeline);
      pass.setBindGroup(0, bindGroupFor(compiled, bindings), [offset]);
      pass.dispatchWorkgroups(...workgroups);
    },
    copy(from, fromOffset, to, toOffset, bytes) {
      endPass();
      commands().copyBufferToBuffer(from, fromOffset, to, toOffset, bytes);
    },
    clear(buffer) {
      endPass();
      commands().clearBuffer(buffer);
    },
    async flush() {
      submit();
      // Writes that no submission follows would keep their buffers alive, destroyed or not.
      device.queue.submit([]);
      submitted = undefined;
      await wait(device.queue.onSubmittedWorkDone());
      await lanes.giveWay();
      check();
    },
    async advance() {
      submit();
      device.queue.submit([]);
      const before = submitted;
      submitted = device.queue.onSubmittedWorkDone();
      // Nobody may ever ask for this one again; a lost device says so by `check`.
      submitted.catch(() => {});
      if (before) await wait(before);
      await lanes.giveWay();
      check();
    },
    async read(buffer, offset, bytes) {
      check();
      const size = Math.ceil(bytes / 4) * 4;
      const staging = counted(device.createBuffer({ size, usage: MAP_READ | COPY_DST }));
      endPass();
      commands().copyBufferToBuffer(buffer, offset, staging, 0, size);
      submit();
      try {
        await wait(staging.mapAsync(GPUMapMode.READ));
        check();
        const data = staging.getMappedRange().slice(0, bytes);
        await lanes.giveWay();
        return data;
      } catch (error) {
        check();
        throw error;
      } finally {
        staging.destroy();
      }
    },
    close() {
      for (const buffer of live.keys()) buffer.destroy();
      live.clear();
      while (kept.bytes > 0) drop(kept.takeLargest());
      device.destroy();
    },
  };
}
