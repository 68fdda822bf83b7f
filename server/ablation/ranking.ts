/** The orders in which heads or neurons are ablated. */
import type { ComponentTotalsResult, NeuronName, Rule } from "../../gpu/mod.ts";
import type { AblationOptions } from "../../schema/tables/ablation_values.ts";
import { randomStream, shuffled } from "../base/statistics/random.ts";

/** What is ablated. */
export const UNITS = ["heads", "neurons"] as const;
export type Unit = (typeof UNITS)[number];

/**
 * By a rule's relevance over all tokens, the largest first; and two controls: at random from the same layers, and
 * AttnLRP's order from its end.
 */
export const ABLATION_RANKINGS = [
  "attnlrp",
  "cplrp",
  "gradient",
  "random",
  "lowest",
] as const satisfies AblationOptions["rankings"];
export type AblationRankingName = (typeof ABLATION_RANKINGS)[number];

export interface ComponentRanking {
  readonly name: AblationRankingName;
  /** Of a random order; null for the others. */
  readonly seed: number | null;
  /** Heads or neurons, the one to be ablated first in front; only as many as are ablated at most. */
  readonly order: readonly NeuronName[];
  /** Of each in the order by the ranking's rule; null for a random order. */
  readonly relevance: readonly number[] | null;
  /** Sum of the positive relevances of all heads, or of all neurons; null for a random order. */
  readonly positive: number | null;
}

/** Rules whose relevance the rankings need: random orders keep to the layers of AttnLRP's. */
export function rulesOfRankings(names: readonly AblationRankingName[]): Rule[] {
  return [...new Set(names.map((name): Rule => name === "random" || name === "lowest" ? "attnlrp" : name))];
}

/** Relevance of all heads or neurons in one row, and the name of each. */
export interface Components {
  readonly relevance: Float64Array;
  readonly nameOf: (at: number) => NeuronName;
  /** Of a component its block, from 1; of a block where its components start. */
  readonly layerOf: (at: number) => number;
  readonly startOf: (layer: number) => number;
}

/** Lays the components of all blocks in one row. `experts`: how many a block has; 0 where it has none. */
export function componentsOf(
  totals: Pick<ComponentTotalsResult, "heads" | "neurons">,
  unit: Unit,
  experts: readonly number[],
): Components {
  const blocks = totals[unit];
  const starts = [0];
  for (const block of blocks) starts.push(starts.at(-1)! + block.length);
  const relevance = new Float64Array(starts.at(-1)!);
  blocks.forEach((block, index) => relevance.set(block, starts[index]));
  const layerOf = (at: number) => {
    let [low, high] = [0, blocks.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle]! <= at) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  };
  return {
    relevance,
    layerOf,
    startOf: (layer) => starts[layer - 1]!,
    nameOf(at) {
      const layer = layerOf(at);
      const index = at - starts[layer - 1]!;
      const count = unit === "neurons" ? experts[layer - 1]! : 0;
      if (count === 0) return { layer, index };
      const width = blocks[layer - 1]!.length / count;
      return { layer, index: index % width, expert: Math.floor(index / width) };
    },
  };
}

/**
 * The first `most` of each order. Equal relevances keep the order of layers and numbers. The i-th of a random order is
 * drawn from the layer of AttnLRP's i-th, none twice; it hangs on its seed, the case's key and that layer alone.
 */
export function componentRankings(
  key: string,
  components: ReadonlyMap<Rule, Components>,
  { unit, names, seeds, most }: {
    readonly unit: Unit;
    readonly names: readonly AblationRankingName[];
    readonly seeds: readonly number[];
    readonly most: number;
  },
): ComponentRanking[] {
  const sorted = new Map(
    [...components].map(([rule, { relevance }]) =>
      [rule, Uint32Array.from(relevance.keys()).sort((a, b) => relevance[b]! - relevance[a]! || a - b)] as const
    ),
  );
  return names.flatMap((name): ComponentRanking[] => {
    const rule: Rule = name === "random" || name === "lowest" ? "attnlrp" : name;
    const [own, order] = [components.get(rule), sorted.get(rule)];
    if (!own || !order) throw new Error(`no relevance for the ranking ${name}`);
    const { relevance, nameOf } = own;
    if (name === "random") {
      const top = Array.from(order.subarray(0, most));
      return seeds.map((seed) => ({
        name,
        seed,
        order: sameLayers(own, top, (layer) => randomStream(seed, `ablation/${key}/${unit}/${layer}`)).map(nameOf),
        relevance: null,
        positive: null,
      }));
    }
    const first = Array.from(name === "lowest" ? order.toReversed().subarray(0, most) : order.subarray(0, most));
    return [{
      name,
      seed: null,
      order: first.map(nameOf),
      relevance: first.map((at) => relevance[at]!),
      positive: relevance.reduce((sum, value) => sum + Math.max(0, value), 0),
    }];
  });
}

/** Components drawn from the layers of `top`, in its order. */
function sameLayers(
  { relevance, layerOf, startOf }: Components,
  top: readonly number[],
  streamOf: (layer: number) => ReturnType<typeof randomStream>,
): number[] {
  const drawn = new Map<number, number[]>();
  return top.map((at) => {
    const layer = layerOf(at);
    const own = drawn.get(layer) ?? shuffled(membersOf(layer), streamOf(layer));
    drawn.set(layer, own);
    return own.shift()!;
  });

  function membersOf(layer: number): number[] {
    const start = startOf(layer);
    let end = start;
    while (end < relevance.length && layerOf(end) === layer) end++;
    return Array.from({ length: end - start }, (_, index) => start + index);
  }
}
