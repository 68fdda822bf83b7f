/** Compiled kernels, and the bind groups of their dispatches. */
import { keepsBuffers } from "./buffers.ts";
import { type Constants, expandSource } from "./source.ts";

/** Bind groups kept: a pass of 36 blocks has about 1,500, and one over a longer prompt others. */
const KEPT_BIND_GROUPS = 8192;

/** Bytes of a dispatch's `Params`, which is what WebGPU aligns offsets of uniforms to. */
export const PARAMS_BYTES = 256;

export interface Pipeline {
  /** Begins the keys of its bind groups. */
  readonly id: number;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
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

export interface Pipelines {
  /** Compiles a kernel, or finds it. */
  pipelineFor(kernel: string, constants: Constants): Pipeline;
  /** Making one costs more than all else of a dispatch, and a pass over the same buffers needs the same ones again. */
  bindGroupFor(pipeline: Pipeline, buffers: readonly GPUBuffer[]): GPUBindGroup;
  /** Forgets bind groups: one would keep a destroyed buffer alive. */
  forgetBindGroups(): void;
}

/** `params` holds the dispatches' parameters, and is bound at 0 by a dynamic offset. */
export function openPipelines(
  device: GPUDevice,
  params: GPUBuffer,
  { idOf, counted }: {
    readonly idOf: (buffer: GPUBuffer) => number;
    readonly counted: <Made>(object: Made) => Made;
  },
): Pipelines {
  const keeps = keepsBuffers();
  const pipelines = new Map<string, Pipeline>();
  const bindGroups = new Map<string, GPUBindGroup>();
  return {
    pipelineFor(kernel, constants) {
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
    },
    bindGroupFor({ id, layout }, buffers) {
      const key = `${id} ${buffers.map(idOf).join(" ")}`;
      let group = bindGroups.get(key);
      if (!group) {
        if (bindGroups.size >= KEPT_BIND_GROUPS) bindGroups.clear();
        group = counted(device.createBindGroup({
          layout,
          entries: [
            { binding: 0, resource: { buffer: params, size: PARAMS_BYTES } },
            ...buffers.map((buffer, index) => ({ binding: index + 1, resource: { buffer } })),
          ],
        }));
        if (keeps) bindGroups.set(key, group);
      }
      return group;
    },
    forgetBindGroups: () => bindGroups.clear(),
  };
}
