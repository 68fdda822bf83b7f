/**
 * Attribution and whole pruned graph of long contexts: seconds, and how memory grows with the number of tokens.
 *
 *   deno run -A test/bench/long_context.ts --tokens 1508,12374 --shape small,windows
 *
 * Prints a JSON line for each shape, length and kind of run. Each line is a process of its own, so that its resident
 * memory is its own. With `--profile` what each kernel takes of the processors comes on standard error.
 */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import type { Device } from "../../gpu/device/device.ts";
import { openDevice } from "../../gpu/device/dawn.ts";
import type { Transition } from "../../gpu/engine.ts";
import { loadModel } from "../../gpu/loaded_model.ts";
import { seededRandom } from "../random.ts";
import { writeRandomModel } from "../random_model.ts";
import { profileKernels } from "./profile.ts";

const QWEN = { model_type: "qwen3", max_position_embeddings: 40_960, rope_theta: 1_000_000, rms_norm_eps: 1e-6 };

/** Shapes by name, as config.json. */
const SHAPES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  small: {
    ...QWEN,
    hidden_size: 64,
    intermediate_size: 192,
    num_hidden_layers: 3,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 16,
    vocab_size: 512,
    tie_word_embeddings: true,
  },
  windows: {
    model_type: "olmo3",
    max_position_embeddings: 40_960,
    rope_theta: 500_000,
    rms_norm_eps: 1e-6,
    rope_scaling: { rope_type: "yarn", factor: 8, original_max_position_embeddings: 8192 },
    sliding_window: 1024,
    hidden_size: 64,
    intermediate_size: 192,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 4,
    head_dim: 16,
    vocab_size: 512,
    tie_word_embeddings: false,
  },
  "qwen3-0.6b": {
    ...QWEN,
    hidden_size: 1024,
    intermediate_size: 3072,
    num_hidden_layers: 28,
    num_attention_heads: 16,
    num_key_value_heads: 8,
    head_dim: 128,
    vocab_size: 151_936,
    tie_word_embeddings: true,
  },
  "qwen3-4b": {
    ...QWEN,
    hidden_size: 2560,
    intermediate_size: 9728,
    num_hidden_layers: 36,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    head_dim: 128,
    vocab_size: 151_936,
    tie_word_embeddings: true,
  },
};

const { values } = parseArgs({
  options: {
    shape: { type: "string", default: "small,windows" },
    tokens: { type: "string", default: "1508,12374" },
    kind: { type: "string", default: "attribution,graph,graph-of-all" },
    /** Set in the processes that measure. */
    one: { type: "boolean", default: false },
    /** Runs twice, and prints the processor time of each kernel the second time. */
    profile: { type: "boolean", default: false },
  },
});

function directoryOf(shape: string): string {
  const home = Deno.env.get("CULPRIT_HOME") ?? join(import.meta.dirname as string, "..", "..", ".culprit");
  const directory = join(home, "bench", `long-${shape}`);
  const config = SHAPES[shape];
  if (!config) throw new Error(`no shape ${shape}; there are ${Object.keys(SHAPES).join(", ")}`);
  if (!existsSync(join(directory, "model.safetensors"))) {
    mkdirSync(directory, { recursive: true });
    writeRandomModel(directory, config, { dtype: "BF16", seed: 8 });
  }
  return directory;
}

/** The device, and the largest sum of its buffers. */
function countPeak(device: Device): { readonly device: Device; readonly peak: () => number } {
  let peak = 0;
  const counting: Device = {
    ...device,
    allocate(bytes, label) {
      const buffer = device.allocate(bytes, label);
      peak = Math.max(peak, device.allocatedBytes());
      return buffer;
    },
  };
  return { device: counting, peak: () => peak };
}

async function measure(shape: string, tokens: number, kind: string): Promise<void> {
  const opened = await openDevice();
  const { device, peak } = countPeak(opened);
  const profile = values.profile ? profileKernels(device) : null;
  const model = await loadModel(profile?.device ?? device, directoryOf(shape));
  const random = seededRandom(tokens);
  const inputIds = Array.from({ length: tokens }, () => random.integer(0, model.config.vocabulary - 1));
  const request = { inputIds, target: 3, contrast: 4, rule: "attnlrp" } as const;
  const onProgress = ({ phase, done, total }: { phase: string; done: number; total: number }) =>
    console.error(`${shape} ${tokens} ${kind}: ${phase} ${done}/${total}`);
  let transitions: readonly Transition[] = [];
  const run = async () => {
    if (kind === "attribution") return await model.attribute(request, { onProgress });
    // All of a graph's tokens may have edges, or those whose relevance is above the usual bound.
    const bound = kind === "graph-of-all" ? { minRelevance: 0 } : {};
    ({ transitions } = await model.graph({ ...request, ...bound }, { onProgress }));
  };
  if (profile) await run();
  profile?.reset();
  const start = performance.now();
  const before = process.cpuUsage();
  await run();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(before);
  const [, kilobytes] = /VmHWM:\s+(\d+) kB/.exec(Deno.readTextFileSync("/proc/self/status")) ?? [];
  console.log(JSON.stringify({
    shape,
    tokens,
    kind,
    adapter: device.info.name,
    seconds: Number(seconds.toFixed(2)),
    bufferBytes: peak(),
    residentBytes: Number(kilobytes) * 1024,
    candidates: transitions.reduce((sum, { candidates }) => sum + candidates, 0),
    edges: transitions.reduce((sum, { edges }) => sum + edges.weights.length, 0),
    processorSeconds: Number(((user + system) / 1e6).toFixed(2)),
    load: Deno.loadavg()[0],
  }));
  profile?.print();
  device.close();
  Deno.exit(0);
}

const lists = [values.shape, values.tokens, values.kind].map((text) => text.split(",")) as [
  string[],
  string[],
  string[],
];
if (values.one) await measure(lists[0][0] as string, Number(lists[1][0]), lists[2][0] as string);
else {
  for (const shape of lists[0]) {
    directoryOf(shape);
    for (const tokens of lists[1]) {
      for (const kind of lists[2]) {
        const args = ["run", "-A", import.meta.filename as string, "--one", `--shape=${shape}`];
        if (values.profile) args.push("--profile");
        const command = new Deno.Command(Deno.execPath(), {
          args: [...args, `--tokens=${tokens}`, `--kind=${kind}`],
          stdout: "inherit",
          stderr: "inherit",
        });
        const { code } = await command.output();
        if (code !== 0) console.error(`${shape} ${tokens} ${kind}: exit code ${code}`);
      }
    }
  }
}
