/** Runs a model at real shapes in a process of its own, and says how far it is from transformers. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GraphResult } from "../gpu/engine.ts";
import { openSafetensors } from "../gpu/model/safetensors.ts";
import { relativeError } from "./compare.ts";
import { REAL_SHAPES, type RealShape, requestFor, writeRealShape } from "./real_shapes.ts";

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
  readonly tokens: RuleTokens;
}

/** In the order of an output's results. */
const RULES = ["attnlrp", "cplrp", "gradient"] as const;
/** How many tokens of the prompt each rule is tried on: LONG or SHORT. */
export type RuleTokens = Readonly<Record<typeof RULES[number], number>>;
export const allOf = (tokens: number): RuleTokens => ({ attnlrp: tokens, cplrp: tokens, gradient: tokens });

/** Attributes by every rule. Throws with what the process said when it fails. */
export async function runRealShape(name: RealShape, tokens: RuleTokens): Promise<ShapeRun> {
  const directory = mkdtempSync(join(tmpdir(), `culprit-${name}-`));
  try {
    const weightBytes = writeRealShape(directory, name);
    const { config } = REAL_SHAPES[name];
    const layers = config["num_hidden_layers"] as number;
    const middle = Math.floor(layers / 2);
    const everything = { mass: 1, reach: "all", transitions: [middle, middle + 1] } as const;
    // Plain gradients have no closed form: a product for each token of edges would take minutes, and nodes say enough.
    const minRelevance = (rule: string) => rule === "gradient" ? 1e9 : 0;
    const request = (rule: typeof RULES[number]) => requestFor(config["vocab_size"] as number, tokens[rule]);
    const path = join(directory, "request.json");
    writeFileSync(
      path,
      JSON.stringify(
        RULES.map((rule) => ({ ...request(rule), ...everything, rule, minRelevance: minRelevance(rule) })),
      ),
    );
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", join(import.meta.dirname as string, "attribute_once.ts"), directory, path],
      cwd: join(import.meta.dirname as string, ".."),
      env: { CULPRIT_AUTOTUNE: "off" },
    }).output();
    if (code !== 0) throw new Error(new TextDecoder().decode(stderr));
    return { output: JSON.parse(new TextDecoder().decode(stdout)), weightBytes, layers, tokens };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Relative errors of logits, node relevance and a layer's edges against transformers, by what they are of. */
export function shapeErrors(
  name: RealShape,
  { output: { results }, layers, tokens }: ShapeRun,
): Readonly<Record<string, number>> {
  const errors: Record<string, number> = {};
  RULES.forEach((rule, index) => {
    const count = tokens[rule];
    const expected = (tensor: string) => readGolden(`${name}-${count}`, tensor);
    const { nodeRelevance, target, contrast, transitions } = results[index] as Result;
    const middle = Math.floor(layers / 2);
    errors[`${rule} node relevance`] = relativeError(nodeRelevance, expected(`${rule}.node_relevance`));
    errors[`${rule} logits`] = relativeError([target.logit, contrast.logit], expected("logits_pair"));
    if (rule === "gradient") return;
    const dense = new Float32Array(count * count);
    for (const [source, token, weight] of transitions[0]?.edges ?? []) dense[token * count + source] = weight;
    errors[`${rule} edges`] = relativeError(dense, expected(`${rule}.edges.${middle}`));
  });
  return errors;
}

function readGolden(name: string, tensor: string): Float32Array {
  const golden = openSafetensors(join(import.meta.dirname as string, "data", "real_shapes", `${name}.safetensors`));
  const bytes = new Uint8Array(golden.tensors.get(tensor)?.bytes ?? 0);
  golden.readInto(tensor, 0, bytes);
  golden.close();
  return new Float32Array(bytes.buffer);
}

/** Of what an error is at least so large, or no number. */
export const beyond = (errors: Readonly<Record<string, number>>, bound: number): string[] =>
  Object.entries(errors).filter(([_what, error]) => !(error < bound)).map(([what, error]) => `${what}: ${error}`);
