/** Lets kernels be compiled with one store wrong: the runner says which. */
import { vi } from "vitest";
import { mutantState } from "./state.ts";
import { choices, kernelText, withChoices } from "./stores.ts";

const state = mutantState();
const read = Deno.readTextFileSync;
Object.assign(Deno, {
  readTextFileSync(path: string | URL): string {
    const text = read(path);
    return /\/kernels\/[\w-]+\.wgsl$/.test(String(path)) ? withChoices(text) : text;
  },
});

vi.mock("../../../gpu/device/pipelines.ts", async (original) => {
  const real = await original<typeof import("../../../gpu/device/pipelines.ts")>();
  return {
    ...real,
    openPipelines(...given: Parameters<typeof real.openPipelines>) {
      const pipelines = real.openPipelines(...given);
      return {
        ...pipelines,
        pipelineFor(kernel: string, constants: Readonly<Record<string, number | string>>) {
          state.used.add(kernel);
          const wrong = state.mutant?.kernel === kernel ? state.mutant.store : undefined;
          return pipelines.pipelineFor(kernel, { ...constants, ...choices(kernelText(kernel), wrong) });
        },
      };
    },
  };
});
