/** `culprit inspect`: what a model directory or a safetensors file holds, from its headers alone. */
import { stat } from "node:fs/promises";
import {
  elements,
  InputError,
  type JsonObject,
  openModelDirectory,
  readSafetensorsHeader,
  type TensorInfo,
} from "../../gpu/mod.ts";
import { locateForVerb, LORA_OPTION } from "./locate.ts";
import { tellNotes, type Verb, type VerbContext } from "./verb.ts";
import { hang, textTable } from "./text_table.ts";

export const verb: Verb = {
  name: "inspect",
  summary: "Shows a model's config and tensors, and checks that Culprit can use it; reads headers only",
  usage: "inspect MODEL|FILE.safetensors [--lora DIR] [--json]",
  example: "npx culprit inspect models/demo-1m",
  options: { lora: LORA_OPTION },
  run,
};

/** What `--json` prints. */
interface Inspection {
  /** config.json as it stands, or null for a single file. */
  readonly config: JsonObject | null;
  /** Elements of all tensors. */
  readonly parameters: number;
  readonly tensors: readonly Pick<TensorInfo, "name" | "dtype" | "shape" | "bytes">[];
}

async function run(context: VerbContext): Promise<void> {
  const [path, ...more] = context.positionals;
  if (path === undefined || more.length > 0) {
    throw new InputError(
      `${context.positionals.length} paths are given`,
      "culprit inspect",
      "give one model or one .safetensors file",
    );
  }
  const inspection = await inspect(context, path);
  await context.out(context.json ? `${JSON.stringify(inspection)}\n` : describe(inspection));
}

async function inspect(context: VerbContext, path: string): Promise<Inspection> {
  const isFile = await stat(path).then((found) => !found.isDirectory(), () => path.endsWith(".safetensors"));
  if (isFile && !/\.gguf$/i.test(path)) {
    return summarize(null, [...readSafetensorsHeader(path).tensors.values()]);
  }
  const model = await openModelDirectory((await locateForVerb(context, path)).path);
  model.close();
  tellNotes(context, model);
  return summarize(model.configJson, [...model.tensors.values()].map(({ info }) => info));
}

function summarize(config: JsonObject | null, infos: readonly TensorInfo[]): Inspection {
  return {
    config,
    parameters: infos.reduce((sum, info) => sum + elements(info), 0),
    tensors: infos.map(({ name, dtype, shape, bytes }) => ({ name, dtype, shape, bytes })),
  };
}

function describe({ config, parameters, tensors }: Inspection): string {
  const rows = tensors.map(({ name, dtype, shape, bytes }) => [name, dtype, `[${shape.join(", ")}]`, `${bytes} bytes`]);
  const bytes = tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
  const settings = Object.entries(config ?? {}).map(([name, value]) =>
    `${hang(`${name}: ${JSON.stringify(value).replaceAll(",", ", ")}`, 2)}\n`
  );
  return `${settings.join("")}${settings.length > 0 ? "\n" : ""}${textTable(rows, { right: () => false })}\n` +
    `${tensors.length} tensors, ${parameters} parameters, ${bytes} bytes\n`;
}
