/** Heads and neurons whose output is zero in a forward pass. */
import type { Ablation, NeuronName } from "../engine.ts";
import { InputError } from "../errors.ts";
import { ablate, type Span, spanWords } from "../kernels/ablate.ts";
import type { LayerMlp, ModelConfig } from "../model/config.ts";
import type { Workspace } from "./operation.ts";
import { headWidths } from "./operations/heads.ts";

/** Whether nothing is ablated. */
export const isNothing = (ablation: Ablation): boolean => ablatedCount(ablation) === 0;

/** How many heads and neurons are ablated. */
export const ablatedCount = ({ heads = [], neurons = [] }: Ablation): number => heads.length + neurons.length;

/** Throws InputError, naming the field, for heads and neurons that are not there or come twice. Positions are the caller's. */
export function checkAblation(config: ModelConfig, { heads = [], neurons = [] }: Ablation): void {
  const seen = new Set<string>();
  heads.forEach((head, index) => {
    const where = `ablate.heads[${index}]`;
    checkLayer(config, head.layer, where);
    checkIndex(`head ${head.index} in block ${head.layer}`, head.index, config.heads, where);
    refuseTwice(seen, nameOf("head", head), where);
  });
  neurons.forEach((neuron, index) => {
    const where = `ablate.neurons[${index}]`;
    checkLayer(config, neuron.layer, where);
    checkNeuron(config.mlp[neuron.layer - 1] as LayerMlp, neuron, where);
    refuseTwice(seen, nameOf("neuron", neuron), where);
  });
}

function checkLayer({ layers }: ModelConfig, layer: number, where: string): void {
  checkIndex(`block ${layer}`, layer - 1, layers, where, 1);
}

function checkNeuron(mlp: LayerMlp, { layer, index, expert }: NeuronName, where: string): void {
  if (mlp.kind === "experts") {
    if (expert === undefined) {
      throw new InputError(
        `neuron ${index} of block ${layer} is named without its expert`,
        where,
        `name one of experts 0 to ${mlp.experts - 1} too`,
      );
    }
    checkIndex(`expert ${expert} in block ${layer}`, expert, mlp.experts, where);
  } else if (expert !== undefined) {
    throw new InputError(`block ${layer} has no experts`, where, "name the neuron alone");
  }
  checkIndex(`neuron ${index} in block ${layer}`, index, mlp.width, where);
}

function checkIndex(what: string, index: number, count: number, where: string, first = 0): void {
  if (Number.isInteger(index) && index >= 0 && index < count) return;
  throw new InputError(`there is no ${what}`, where, `use whole numbers from ${first} to ${first + count - 1}`);
}

const nameOf = (kind: "head" | "neuron", { layer, index, expert }: NeuronName) =>
  `${kind} ${index}${expert === undefined ? "" : ` of expert ${expert}`} of block ${layer}`;

function refuseTwice(seen: Set<string>, name: string, where: string): void {
  if (seen.has(name)) throw new InputError(`${name} comes twice`, where, "name each once");
  seen.add(name);
}

/** Rows of a workspace that belong to one sequence, and what is ablated there. */
export interface AblatedRows {
  readonly firstRow: number;
  /** Whether the ablation holds at each of the rows from the first on. */
  readonly marked: readonly boolean[];
  readonly ablation: Ablation;
}

/** What is ablated in one block of a pass. */
export interface BlockAblation {
  /** Records zeros in what the heads write, [rows, q]. */
  heads(written: GPUBuffer): void;
  /** Records zeros in the neurons, [rows * rowsPerToken, columns]; `chosen`: the experts of their rows. */
  neurons(
    inner: GPUBuffer,
    columns: number,
    chosen?: { readonly experts: GPUBuffer; readonly rowsPerToken: number },
  ): void;
}

/**
 * Lays out which columns are zero in which rows of a workspace, by block from 0; undefined where nothing is ablated in any
 * row. Every element is either left or made zero, so a sequence gives the same alone and packed.
 */
export function openAblations(
  workspace: Workspace,
  sequences: readonly AblatedRows[],
): readonly BlockAblation[] | undefined {
  const { device, config, rows } = workspace;
  const ablated = sequences.filter(({ ablation }) => !isNothing(ablation));
  if (ablated.length === 0) return undefined;
  const { head } = headWidths(config);
  const marked = new Uint32Array(rows);
  for (const { firstRow, marked: own } of ablated) own.forEach((mark, row) => marked[firstRow + row] = Number(mark));
  const byBlock = spansByBlock(ablated, config.layers, head);
  const spans: Span[] = [];
  const parts = byBlock.map((own) => {
    const start = spans.length;
    const middle = start + own.heads.length;
    for (const list of [own.heads, own.neurons]) for (const span of list) spans.push(span);
    return { heads: { start, count: own.heads.length }, neurons: { start: middle, count: own.neurons.length } };
  });
  const upload = (values: Uint32Array<ArrayBuffer>, label: string) => {
    const buffer = workspace.adopt(device.allocate(values.byteLength, label));
    device.write(buffer, 0, values);
    return buffer;
  };
  const common = { spans: upload(spanWords(spans), "ablated columns"), marked: upload(marked, "ablated rows") };
  return parts.map(({ heads, neurons }): BlockAblation => ({
    heads: (x) => ablate(device, { ...common, ...heads, x, columns: config.heads * head }),
    neurons: (x, columns, chosen) => ablate(device, { ...common, ...neurons, x, columns, chosen }),
  }));
}

/** The spans of each block; neighbouring columns of one sequence are one span. */
function spansByBlock(sequences: readonly AblatedRows[], layers: number, head: number) {
  const blocks = Array.from({ length: layers }, () => ({ heads: [] as Span[], neurons: [] as Span[] }));
  for (const { firstRow, marked, ablation } of sequences) {
    for (const [kind, columns] of [["heads", head], ["neurons", 1]] as const) {
      const components: readonly NeuronName[] = ablation[kind] ?? [];
      const ordered = components.toSorted((a, b) =>
        a.layer - b.layer || (a.expert ?? 0) - (b.expert ?? 0) || a.index - b.index
      );
      for (const { layer, index, expert = 0 } of ordered) {
        const own = (blocks[layer - 1] as (typeof blocks)[number])[kind];
        const last = own.at(-1);
        const firstColumn = index * columns;
        const joins = last?.firstRow === firstRow && last.expert === expert &&
          last.firstColumn + last.columns === firstColumn;
        if (joins) own[own.length - 1] = { ...last, columns: last.columns + columns };
        else own.push({ firstRow, rows: marked.length, firstColumn, columns, expert });
      }
    }
  }
  return blocks;
}

/** At which of `tokens` positions an ablation holds. */
export function markedAt({ positions }: Ablation, tokens: number): readonly boolean[] {
  const marked = new Array<boolean>(tokens).fill(positions === undefined);
  positions?.forEach((position) => marked[position] = true);
  return marked;
}
