/**
 * A device of Dawn: kernels are compiled (pipelines.ts) and recorded, submissions awaited, bytes moved. With adapter.ts,
 * buffers.ts and pipelines.ts the only files that touch the GPU API: everything else in `gpu/` speaks of matrices and
 * kernels.
 */
import type { AdapterInfo } from "./adapter_info.ts";
import { findAdapter, MATRIX_FEATURES, matrixConfig, nameOf, wantsMatrixUnit } from "./adapter.ts";
import { openBuffers } from "./buffers.ts";
import { type Device, MAX_WORKGROUPS } from "./device.ts";
import { createLanes, type Lanes } from "./lanes.ts";
import { openPipelines, PARAMS_BYTES } from "./pipelines.ts";
import { wait, wasteOf } from "./wait.ts";

/** Dispatches of a submission at most. */
const PARAMS_SLOTS = 4096;

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

/** Work that is recorded and not submitted yet. */
interface Recorder {
  /** Commands of a copy or a clear; ends the compute pass. */
  copies(): GPUCommandEncoder;
  /** The compute pass. */
  pass(): GPUComputePassEncoder;
  /** Where a dispatch's params lie in the buffer of the submission to come. */
  placeParams(kernel: string, words: readonly number[]): number;
  submit(): void;
}

/** `params` holds the dispatches' parameters; `toClear` is cleared before anything else is recorded. */
function openRecorder(
  device: GPUDevice,
  params: GPUBuffer,
  toClear: Set<GPUBuffer>,
  counted: <Made>(object: Made) => Made,
): Recorder {
  const words = new Uint32Array(PARAMS_SLOTS * PARAMS_BYTES / 4);
  let used = 0;
  let encoder: GPUCommandEncoder | undefined;
  let pass: GPUComputePassEncoder | undefined;
  function endPass(): void {
    pass?.end();
    pass = undefined;
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
  function submit(): void {
    endPass();
    if (!encoder) return;
    if (used > 0) device.queue.writeBuffer(params, 0, words, 0, used * PARAMS_BYTES / 4);
    used = 0;
    device.queue.submit([counted(encoder.finish())]);
    encoder = undefined;
  }
  return {
    copies() {
      endPass();
      return commands();
    },
    pass() {
      const recording = commands();
      return pass ??= counted(recording.beginComputePass());
    },
    placeParams(kernel, given) {
      if (given.length * 4 > PARAMS_BYTES) {
        throw new Error(`${kernel}: ${given.length} params, at most ${PARAMS_BYTES / 4}`);
      }
      if (used === PARAMS_SLOTS) submit();
      const offset = used++ * PARAMS_BYTES;
      words.set(given, offset / 4);
      return offset;
    },
    submit,
  };
}

/** What went wrong on a device, as far as it said. */
function watchFailures(device: GPUDevice, info: AdapterInfo) {
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
  return {
    lost,
    /** Throws what went wrong since the last check; a lost device stays lost. */
    check(): void {
      const found = lostReason === undefined ? failure : `device lost: ${lostReason}`;
      failure = undefined;
      if (found !== undefined) throw new Error(`GPU (${info.name}): ${found}`);
    },
  };
}

/** Makes `counted`, through which objects pass as they are made: each leaves something behind. */
function countObjects() {
  let made = 0;
  return {
    made: () => made,
    counted<Made>(object: Made): Made {
      made++;
      return object;
    },
  };
}

/** Submissions that are waited for: all of them, all but the last, or those before bytes that are read. */
function openWaiting(device: GPUDevice, recorder: Recorder, { check, counted, lanes }: {
  readonly check: () => void;
  readonly counted: <Made>(object: Made) => Made;
  readonly lanes: Lanes;
}): Pick<Device, "flush" | "advance" | "read"> {
  const { COPY_DST, MAP_READ } = GPUBufferUsage;
  let submitted: Promise<undefined> | undefined;
  return {
    async flush() {
      recorder.submit();
      // Writes that no submission follows would keep their buffers alive, destroyed or not.
      device.queue.submit([]);
      submitted = undefined;
      await wait(device.queue.onSubmittedWorkDone());
      await lanes.giveWay();
      check();
    },
    async advance() {
      recorder.submit();
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
      recorder.copies().copyBufferToBuffer(buffer, offset, staging, 0, size);
      recorder.submit();
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
  };
}

function wrapDevice(device: GPUDevice, info: AdapterInfo): Device {
  const { made, counted } = countObjects();
  const { lost, check } = watchFailures(device, info);
  const lanes = createLanes();
  // One buffer holds the params of all dispatches of a submission, so that bind groups do not depend on them.
  const params = device.createBuffer({
    label: "params",
    size: PARAMS_SLOTS * PARAMS_BYTES,
    usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
  });
  const buffers = openBuffers(device, info, {
    counted,
    drop(buffer) {
      recorder.submit();
      pipelines.forgetBindGroups();
      buffer.destroy();
    },
  });
  const pipelines = openPipelines(device, params, { idOf: buffers.idOf, counted });
  const recorder = openRecorder(device, params, buffers.toClear, counted);
  return {
    info,
    lost,
    lanes,
    tiles: new Map(),
    workgroupBytes: device.limits.maxComputeWorkgroupStorageSize,
    allocatedBytes: buffers.liveBytes,
    wasteBytes: () => wasteOf(made()),
    allocate(bytes, label, lasting) {
      check();
      return buffers.allocate(bytes, label, lasting);
    },
    free: buffers.free,
    destroy: buffers.destroy,
    write(buffer, offset, data) {
      if (offset === 0 && data.byteLength === buffers.sizeOf(buffer)) buffers.toClear.delete(buffer);
      if (buffers.toClear.has(buffer)) recorder.copies();
      recorder.submit();
      device.queue.writeBuffer(buffer, offset, data as BufferSource);
    },
    run({ kernel, constants = {}, bindings, params: words, workgroups }) {
      if (workgroups.some((count) => count > MAX_WORKGROUPS)) {
        throw new Error(`${kernel}: ${workgroups.join(" x ")} workgroups, at most ${MAX_WORKGROUPS} a dimension`);
      }
      if (workgroups.includes(0)) return;
      const compiled = pipelines.pipelineFor(kernel, constants);
      const offset = recorder.placeParams(kernel, words);
      const pass = recorder.pass();
      pass.setPipeline(compiled.pipeline);
      pass.setBindGroup(0, pipelines.bindGroupFor(compiled, bindings), [offset]);
      pass.dispatchWorkgroups(...workgroups);
    },
    copy(from, fromOffset, to, toOffset, bytes) {
      recorder.copies().copyBufferToBuffer(from, fromOffset, to, toOffset, bytes);
    },
    clear(buffer) {
      recorder.copies().clearBuffer(buffer);
    },
    ...openWaiting(device, recorder, { check, counted, lanes }),
    close() {
      buffers.close();
      device.destroy();
    },
  };
}
