/** Heads and neurons on the command line: which are wanted, what is computed for them, and how it is shown. */
import {
  type AttributionRequest,
  checkComponentEdges,
  type ComponentEdges,
  type ComponentTarget,
  InputError,
  type LoadedModel,
  type ModelConfig,
  type NodeComponents,
  type NodePlace,
  type RunOptions,
} from "../../gpu/mod.ts";
import { paint, signedLogits, tokenName, type TokenNames } from "./attribution_table.ts";
import { optionText, type VerbContext, type VerbOption } from "./verb.ts";

/** Options of the verbs that can split nodes into heads and neurons. */
export const COMPONENT_OPTIONS: Readonly<Record<string, VerbOption>> = {
  components: { type: "string", value: "K", help: "the K heads and K neurons of largest |relevance| of each node" },
  into: {
    type: "string",
    value: "TARGETS",
    help: "edges into single components, as 3:12:neuron:40,3:12:head:1 (layer:token:kind:number); " +
      "a neuron of an expert is expert/neuron, as 3:12:neuron:7/40; " +
      "kinds around-mlp and around-attention have no number",
  },
  from: { type: "string", value: "LAYERS", help: "node layers that edges of --into start from (default: 0)" },
};

/** What is wanted of heads and neurons. */
export interface WantedComponents {
  /** Heads and neurons of a node; undefined when none are wanted. */
  readonly top: number | undefined;
  readonly targets: readonly ComponentTarget[];
  readonly sources: readonly number[];
}

/** Reads and checks the options. Throws InputError. */
export async function readComponents(
  context: VerbContext,
  config: ModelConfig,
  request: AttributionRequest,
): Promise<WantedComponents> {
  const [count, into, from] = ["components", "into", "from"].map((name) => optionText(context, name));
  const top = count === undefined ? undefined : wholeNumber(count, "--components");
  if (from !== undefined && into === undefined) {
    throw new InputError("says nothing without --into", "--from", "give --into TARGETS too");
  }
  const targets = into === undefined ? [] : into.split(",").map(parseTarget);
  const sources = from === undefined ? [0] : from.split(",").map((text) => wholeNumber(text.trim(), "--from"));
  if (targets.length > 0) {
    try {
      await checkComponentEdges(config, { ...request, targets, sources });
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      throw new InputError(error.what, error.where.startsWith("sources") ? "--from" : "--into", error.mend);
    }
  }
  return { top, targets, sources };
}

function wholeNumber(text: string, where: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InputError(`${JSON.stringify(text)} is not a whole number`, where, "give digits");
}

/** Nodes as 3:12 (layer:token), with commas between them. Throws InputError. */
export function parseNodes(text: string, where: string): readonly NodePlace[] {
  return text.split(",").map((part) => {
    const [, layer, token] = /^\s*(\d{1,9}):(\d{1,9})\s*$/.exec(part) ?? [];
    if (layer !== undefined) return { layer: Number(layer), token: Number(token) };
    throw new InputError(`${JSON.stringify(part)} is no node`, where, "give layer:token, as 3:12,4:12");
  });
}

function parseTarget(part: string): ComponentTarget {
  const [, layer, token, kind, expert, index] =
    /^\s*(\d{1,9}):(\d{1,9}):(neuron|head|around-mlp|around-attention)(?::(?:(\d{1,9})\/)?(\d{1,9}))?\s*$/.exec(part) ??
      [];
  const place = { layer: Number(layer), token: Number(token) };
  if (kind === "neuron" && index !== undefined) {
    return { ...place, kind, index: Number(index), ...(expert === undefined ? {} : { expert: Number(expert) }) };
  }
  if (kind === "head" && index !== undefined && expert === undefined) return { ...place, kind, index: Number(index) };
  if ((kind === "around-mlp" || kind === "around-attention") && index === undefined) return { ...place, kind };
  throw new InputError(
    `${JSON.stringify(part)} is no component`,
    "--into",
    "give layer:token:neuron:number (expert/number in blocks of experts), layer:token:head:number, " +
      "layer:token:around-mlp or layer:token:around-attention",
  );
}

/** A head or neuron by its number; a neuron of an expert by both, as `--into` takes them. */
const componentName = ({ expert, index }: { readonly expert?: number; readonly index: number }) =>
  expert === undefined ? `${index}` : `${expert}/${index}`;

/** What was computed; undefined where nothing was asked for. */
export interface FoundComponents {
  readonly nodes: readonly NodeComponents[] | undefined;
  readonly edges: readonly ComponentEdges[] | undefined;
}

/** Computes what is wanted; `nodes` left out: the last token of every layer. */
export async function runComponents(
  loaded: LoadedModel,
  request: AttributionRequest,
  { top, targets, sources }: WantedComponents,
  nodes: readonly NodePlace[] | undefined,
  options: RunOptions,
): Promise<FoundComponents> {
  const { inputIds, target, contrast, rule } = request;
  const attribution = { inputIds, contrast, rule, ...(target === undefined ? {} : { target }) };
  return {
    nodes: top === undefined
      ? undefined
      : (await loaded.components({ ...attribution, top, ...(nodes ? { nodes } : {}) }, options)).nodes,
    edges: targets.length === 0
      ? undefined
      : (await loaded.componentEdges({ ...attribution, targets, sources }, options)).components,
  };
}

/** What --json adds: `components` a node each, `componentEdges` a target each, [source token, weight] pairs by layer. */
export function componentsJson(
  nodes: readonly NodeComponents[] | undefined,
  edges: readonly ComponentEdges[] | undefined,
): object {
  return {
    ...(nodes ? { components: nodes } : {}),
    ...(edges
      ? {
        componentEdges: edges.map(({ target, relevance, sources }) => ({
          ...target,
          relevance,
          sources: sources.map(({ layer, weights }) => ({ layer, weights: [...weights] })),
        })),
      }
      : {}),
  };
}

/** Nodes shown on a terminal, and components of each. */
const SHOWN_NODES = 20;
const SHOWN_EDGES = 5;
/** Components in a line. */
const IN_A_LINE = 3;

/** What was found, as people read it; nothing when nothing was asked for. */
export function describeComponents(
  nodes: readonly NodeComponents[] | undefined,
  edges: readonly ComponentEdges[] | undefined,
  inputIds: readonly number[],
  names: TokenNames,
  colour: boolean,
): string {
  const place = ({ layer, token }: NodePlace) =>
    `layer ${layer}, token ${token} ${tokenName(names, inputIds[token]!, 20)}`;
  const amount = (value: number) => paint(signedLogits(value).trim(), value < 0 ? -1 : 1, colour);
  const list = (components: NodeComponents["heads"]) =>
    Array.from(
      { length: Math.ceil(components.length / IN_A_LINE) },
      (_, row) =>
        `      ${
          components.slice(row * IN_A_LINE, (row + 1) * IN_A_LINE)
            .map((one) => `${componentName(one).padStart(5)} ${amount(one.relevance)}`).join("  ")
        }\n`,
    ).join("");
  let text = "";
  if (nodes) {
    const shown = nodes.toSorted((a, b) => Math.abs(b.relevance) - Math.abs(a.relevance)).slice(0, SHOWN_NODES);
    text += `\nHeads and neurons, nodes of largest relevance first (${shown.length} of ${nodes.length} nodes):\n`;
    for (const node of shown) {
      text += `  ${place(node)}: ${amount(node.relevance)}\n` +
        `    attention ${amount(node.attention)}, heads:\n${list(node.heads)}` +
        `    MLP ${amount(node.mlp)}, neurons:\n${list(node.neurons)}`;
    }
  }
  for (const { target, relevance, sources } of edges ?? []) {
    const name = "index" in target ? `${target.kind} ${componentName(target)}` : target.kind;
    text += `\nEdges into ${name}, ${place(target)}: ${amount(relevance)}\n`;
    for (const { layer, weights } of sources) {
      const largest = [...weights.entries()].toSorted((a, b) => Math.abs(b[1]) - Math.abs(a[1])).slice(0, SHOWN_EDGES);
      for (const [token, weight] of largest) text += `    from ${place({ layer, token })}: ${amount(weight)}\n`;
    }
  }
  return text;
}
