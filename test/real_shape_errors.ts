/** Runs a model at real shapes in a process of its own, and says how far it is from transformers. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GraphResult } from "../gpu/engine.ts";
import { openSafetensors } from "../gpu/model/safetensors.ts";
import { relativeError } from "./compare.ts";
import { REAL_SHAPES, type RealShape, requestFor, TOKENS, writeRealShape } from "./real_shapes.ts";

interface Result extends Pick<GraphResult, "logitDifference" | "target" | "contrast" | "seconds"> {
  readonly nodeRelevance: readonly number[];
  readonly transitions: readonly { readonly source: number; readonly edges: readonly [number, number, number][] }[];
}
interface Output {
  readonly adapter: string;
  readonly results: readonly Result[];
  readonly peakBytes: number;
}

export interface ShapeRun {
  readonly output: Output;
  readonly weightBytes: number;
  readonly layers: number;
}

/** In the order of an output's results. */
export const RULES = ["attnlrp", "cplrp", "gradient"] as const;

/** Attributes by every rule. Throws with what the process said when it fails. */
export async function runRealShape(name: RealShape): Promise<ShapeRun> {
  const directory = mkdtempSync(join(tmpdir(), `culprit-${name}-`));
  try {
    const weightBytes = writeRealShape(directory, name);
    const { config } = REAL_SHAPES[name];
    const layers = config["num_hidden_layers"] as number;
    const middle = Math.floor(layers / 2);
    const everything = { mass: 1, reach: "all", transitions: [middle, middle + 1] } as const;
    // Plain gradients have no closed form: a product for each token of edges would take minutes, and nodes say enough.
    const minRelevance = (rule: string) => rule === "gradient" ? 1e9 : 0;
    const request = requestFor(config["vocab_size"] as number);
    const path = join(directory, "request.json");
    writeFileSync(
      path,
      JSON.stringify(RULES.map((rule) => ({ ...request, ...everything, rule, minRelevance: minRelevance(rule) }))),
    );
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", join(import.meta.dirname as string, "attribute_once.ts"), directory, path],
      cwd: join(import.meta.dirname as string, ".."),
      env: { CULPRIT_AUTOTUNE: "off" },
    }).output();
    if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
    return { output: JSON.parse(new TextDecoder().decode(stdout)), weightBytes, layers };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Relative errors of logits, node relevance and a layer's edges against transformers, by what they are of. */
export function shapeErrors(
  name: RealShape,
  { output: { results }, layers }: ShapeRun,
): Readonly<Record<string, number>> {
  const golden = openSafetensors(join(import.meta.dirname as string, "data", "real_shapes", `${name}.safetensors`));
  const expected = (tensor: string) => {
    const bytes = new Uint8Array(golden.tensors.get(tensor)?.bytes ?? 0);
    golden.readInto(tensor, 0, bytes);
    return new Float32Array(bytes.buffer);
  };
  const errors: Record<string, number> = {};
  RULES.forEach((rule, index) => {
    const { nodeRelevance, target, contrast, transitions } = results[index] as Result;
    const middle = Math.floor(layers / 2);
    errors[`${rule} node relevance`] = relativeError(nodeRelevance, expected(`${rule}.node_relevance`));
    errors[`${rule} logits`] = relativeError([target.logit, contrast.logit], expected("logits_pair"));
    if (rule === "gradient") return;
    const dense = new Float32Array(TOKENS * TOKENS);
    for (const [source, token, weight] of transitions[0]?.edges ?? []) dense[token * TOKENS + source] = weight;
    errors[`${rule} edges`] = relativeError(dense, expected(`${rule}.edges.${middle}`));
  });
  golden.close();
  return errors;
}

/** Of what an error is at least so large, or no number. */
export const beyond = (errors: Readonly<Record<string, number>>, bound: number): string[] =>
  Object.entries(errors).filter(([_what, error]) => !(error < bound)).map(([what, error]) => `${what}: ${error}`);
