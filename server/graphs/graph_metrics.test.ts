/** Graph metrics against brute force over dense matrices and all paths of small random graphs. */
import { describe, expect, test } from "vitest";
import { type Random, seededRandom } from "../../test/random.ts";
import { gini, type MeasuredGraph } from "./graph.ts";
import { measureGraph } from "./graph_metrics.ts";
import { centreOfMass, measureLayers } from "./layer_metrics.ts";
import { PATH_MEASURES, type PathMeasure, strongestPaths } from "./paths.ts";
import { reduceGraph } from "./reduced_graph.ts";
import { transferToLast } from "./transfer.ts";
import { findHubs, measureTransitions } from "./transition_metrics.ts";

/** Dense signed weights of each transition, [target][source]; 0 is no edge. */
type Dense = readonly (readonly (readonly number[])[])[];

interface Sample {
  readonly graph: MeasuredGraph;
  readonly dense: Dense;
  readonly relevance: readonly (readonly number[])[];
}

/** Causal edges, each there with a chance, over node layers that may skip blocks. */
function randomGraph(random: Random, chance: number): Sample {
  const tokens = random.integer(1, 5);
  const nodeLayers = [0, ...Array.from({ length: random.integer(1, 3) }, (_, index) => 2 * index + 1)];
  const dense = nodeLayers.slice(1).map(() =>
    Array.from(
      { length: tokens },
      (_, target) =>
        Array.from({ length: tokens }, (_, source) =>
          source <= target && random.next() < chance ? Math.fround(random.normal()) : 0),
    )
  );
  return sampleOf(
    dense,
    nodeLayers,
    Array.from({ length: nodeLayers.at(-1)! + 1 }, () => Array.from(random.normals(tokens))),
  );
}

function sampleOf(dense: Dense, nodeLayers: readonly number[], relevance: Sample["relevance"]): Sample {
  const transitions = dense.map((rows, index) => {
    const edges = rows.flatMap((row, target) =>
      row.flatMap((weight, source) => weight === 0 ? [] : [[source, target, weight] as const])
    );
    return {
      source: nodeLayers[index]!,
      target: nodeLayers[index + 1]!,
      edges: {
        sources: Uint32Array.from(edges, ([source]) => source),
        targets: Uint32Array.from(edges, ([, target]) => target),
        weights: Float32Array.from(edges, ([, , weight]) => weight),
      },
    };
  });
  const inputIds = relevance[0]!.map((_, token) => token);
  return {
    graph: { inputIds, nodeLayers, nodeRelevance: Float32Array.from(relevance.flat()), transitions },
    dense,
    relevance,
  };
}

const samples = (count: number) => {
  const random = seededRandom(20);
  return Array.from({ length: count }, () => randomGraph(random, 0.2 + 0.8 * random.next()));
};
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const near = (found: number | null, expected: number) =>
  Number.isFinite(expected) ? expect(found).toBeCloseTo(expected, 9) : expect(found).toBe(null);

test("Gini is half the mean difference over the mean", () => {
  const random = seededRandom(3);
  for (let round = 0; round < 50; round++) {
    const values = Array.from({ length: random.integer(1, 9) }, () => random.next() ** 3);
    const differences = sum(values.flatMap((a) => values.map((b) => Math.abs(a - b))));
    expect(gini(values)).toBeCloseTo(differences / (2 * values.length * sum(values)), 12);
  }
  expect([gini([2, 2, 2]), gini([0, 0, 0, 1]), gini([]), gini([0, 0])]).toEqual([0, 0.75, null, null]);
});

test("shapes of transitions equal sums over the dense matrices", () => {
  for (const { graph, dense } of samples(200)) {
    measureTransitions(graph).forEach((found, index) => {
      const rows = dense[index]!;
      const all = rows.flatMap((row, target) =>
        row.map((weight, source) => ({ size: Math.abs(weight), source, target }))
      )
        .filter(({ size }) => size > 0);
      const mass = sum(all.map(({ size }) => size));
      const part = (keep: (edge: typeof all[number]) => boolean) => sum(all.filter(keep).map(({ size }) => size));
      const distance = sum(all.map(({ size, source, target }) => size * (target - source)));
      expect(found.edges).toBe(all.length);
      near(found.mass, mass);
      near(found.verticality, part(({ source, target }) => source === target) / mass);
      near(found.sinkShare, part(({ source }) => source === 0) / mass);
      near(found.lookBack, distance / mass);
      const sideways = part(({ source, target }) => source !== target);
      near(found.lookBackSideways, sideways === 0 ? NaN : distance / sideways);
      const into = rows.map((row) => row.filter((weight) => weight !== 0).length).filter((count) => count > 0);
      const outOf = rows.map((_, source) => rows.filter((row) => row[source] !== 0).length).filter((count) =>
        count > 0
      );
      near(found.fanIn.mean, sum(into) / into.length);
      near(found.fanOut.mean, sum(outOf) / outOf.length);
      expect([found.fanIn.most, found.fanOut.most]).toEqual([Math.max(0, ...into), Math.max(0, ...outOf)]);
    });
  }
});

test("shares and centres of layers, and the centre of the edges", () => {
  for (const { graph, dense, relevance } of samples(100)) {
    measureLayers(graph).forEach(({ layer, sinkShare, centre, centreWithoutSink }) => {
      const sizes = relevance[layer]!.map(Math.abs);
      const rest = sum(sizes.slice(1));
      near(sinkShare, sizes[0]! / sum(sizes));
      near(centre, sum(sizes.map((size, token) => size * token)) / sum(sizes));
      near(centreWithoutSink, rest === 0 ? NaN : sum(sizes.map((size, token) => size * token)) / rest);
    });
    const middles = dense.flatMap((rows, index) =>
      rows.flatMap((row, target) =>
        row.map((weight, source) => ({
          size: Math.abs(weight),
          layer: (graph.nodeLayers[index]! + graph.nodeLayers[index + 1]!) / 2,
          position: (source + target) / 2,
        }))
      )
    );
    const mass = sum(middles.map(({ size }) => size));
    const found = centreOfMass(graph);
    near(found && found.layer, sum(middles.map(({ size, layer }) => size * layer)) / mass);
    near(found && found.position, sum(middles.map(({ size, position }) => size * position)) / mass);
  }
});

test("hubs are the nodes with most mass of sideways edges", () => {
  for (const { graph, dense } of samples(100)) {
    const expected = graph.nodeLayers.flatMap((layer, index) =>
      graph.inputIds.map((_, token) => {
        const into = index === 0 ? [] : dense[index - 1]![token]!.filter((_, source) => source !== token);
        const outOf = (dense[index] ?? []).filter((_, target) => target !== token).map((row) => row[token]!);
        const mass = sum([...into, ...outOf].map(Math.abs));
        const count = (weights: readonly number[]) => weights.filter((weight) => weight !== 0).length;
        return { layer, token, fanIn: count(into), fanOut: count(outOf), mass };
      })
    ).filter(({ mass }) => mass > 0).sort((a, b) => b.mass - a.mass).slice(0, 3);
    const found = findHubs(graph, 3);
    expect(found).toHaveLength(expected.length);
    found.forEach((hub, index) => {
      expect(hub).toMatchObject({ ...expected[index]!, mass: hub.mass });
      expect(hub.mass).toBeCloseTo(expected[index]!.mass, 9);
    });
  }
});

test("transfer to the last position adds up over transitions, its own vertical edges left out", () => {
  for (const { graph, dense } of samples(100)) {
    const last = graph.inputIds.length - 1;
    const { layers, cumulative, massByTransition } = transferToLast(graph);
    expect(layers).toEqual(graph.nodeLayers.slice(1));
    dense.forEach((_, upTo) => {
      const expected = graph.inputIds.map((_, token) =>
        token === last ? 0 : sum(dense.slice(0, upTo + 1).map((rows) => rows[last]![token]!))
      );
      expected.forEach((value, token) => expect(cumulative[upTo]![token]).toBeCloseTo(value, 9));
      expect(massByTransition[upTo]).toBeCloseTo(sum(dense[upTo]![last]!.slice(0, last).map(Math.abs)), 9);
    });
  }
});

/** Every path to the last token by trying all. */
function allPaths({ graph, dense }: Sample, measure: PathMeasure) {
  const last = graph.inputIds.length - 1;
  const ways = (transition: number, target: number): { tokens: number[]; shares: number[] }[] => {
    if (transition < 0) return [{ tokens: [target], shares: [] }];
    const row = dense[transition]![target]!;
    const into = sum(row.map(Math.abs));
    return row.flatMap((weight, source) =>
      weight === 0 ? [] : ways(transition - 1, source).map(({ tokens, shares }) => ({
        tokens: [...tokens, target],
        shares: [...shares, Math.abs(weight) / into],
      }))
    );
  };
  return ways(dense.length - 1, last).map(({ tokens, shares }) => ({
    tokens,
    strength: measure === "product" ? shares.reduce((a, b) => a * b, 1) : Math.min(...shares),
  })).sort((a, b) => b.strength - a.strength);
}

describe.each(PATH_MEASURES)("strongest paths by %s", (measure) => {
  test("are those that trying all finds", () => {
    let compared = 0;
    for (const sample of samples(300)) {
      const expected = allPaths(sample, measure);
      for (const count of [1, 3, 1000]) {
        const found = strongestPaths(sample.graph, count, measure);
        expect(found).toHaveLength(Math.min(count, expected.length));
        found.forEach(({ nodes, weights, shares, strength }, rank) => {
          expect(strength).toBeCloseTo(expected[rank]!.strength, 9);
          const tokens = nodes.map(({ token }) => token);
          const same = expected.find((path) => path.tokens.join() === tokens.join());
          expect(same?.strength, "a path that is there, of this strength").toBeCloseTo(strength, 9);
          expect(nodes.map(({ layer }) => layer)).toEqual(sample.graph.nodeLayers);
          weights.forEach((weight, at) => expect(weight).toBe(sample.dense[at]![tokens[at + 1]!]![tokens[at]!]));
          expect(shares).toHaveLength(weights.length);
          compared++;
        });
        expect(new Set(found.map(({ nodes }) => JSON.stringify(nodes))).size, "no path twice").toBe(found.length);
      }
    }
    expect(compared).toBeGreaterThan(1000);
  });
});

test("product strengths of all paths sum to 1 where every node that is reached has edges into it", () => {
  const random = seededRandom(8);
  for (let round = 0; round < 50; round++) {
    const { graph } = randomGraph(random, 1);
    expect(sum(strongestPaths(graph, 5000, "product").map(({ strength }) => strength))).toBeCloseTo(1, 9);
  }
});

test("a count of paths that is none is refused", () => {
  const { graph } = samples(1)[0]!;
  expect(() => strongestPaths(graph, 0, "product")).toThrow(/^paths: 0 is no count; use/);
});

describe("the reduced graph", () => {
  /** Token 1 goes straight up, then to token 3 at the end; token 0 feeds 3 early; token 2 carries nothing. */
  const planted = sampleOf(
    [
      [[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0.1, 0], [0.5, 0, 0, 0.5]],
      [[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0.1, 0], [0, 0, 0, 1]],
      [[1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0.1, 0], [0, 3, 0, 1]],
    ],
    [0, 1, 2, 3],
    [0, 1, 2, 3].map(() => [1, 2, 3, 4]),
  );
  test("keeps the planted tokens, layers and paths, vertical runs as one edge", () => {
    const { tokens, layers, paths, nodes, edges } = reduceGraph(planted.graph, {
      paths: 2,
      measure: "product",
      mass: 0.9,
      tokens: 10,
    });
    expect(tokens).toEqual([
      { token: 1, transfer: 3, share: 3 / 3.5 },
      { token: 0, transfer: 0.5, share: 0.5 / 3.5 },
    ]);
    expect(layers.map(({ source, target }) => [source, target])).toEqual([[2, 3], [0, 1]]);
    expect(paths.map(({ strength }) => strength)).toEqual([0.75, 0.125]);
    expect(paths[0]!.nodes.map(({ token }) => token)).toEqual([1, 1, 1, 3]);
    expect(paths[1]!.nodes.map(({ token }) => token)).toEqual([0, 3, 3, 3]);
    expect(nodes).toEqual([
      { layer: 0, token: 0, relevance: 1 },
      { layer: 0, token: 1, relevance: 2 },
      { layer: 1, token: 3, relevance: 4 },
      { layer: 2, token: 1, relevance: 2 },
      { layer: 3, token: 3, relevance: 4 },
    ]);
    const at = (layer: number, token: number) => ({ layer, token });
    expect(edges).toEqual([
      { source: at(0, 1), target: at(2, 1), weight: null, paths: 1 },
      { source: at(2, 1), target: at(3, 3), weight: 3, paths: 1 },
      { source: at(0, 0), target: at(1, 3), weight: 0.5, paths: 1 },
      { source: at(1, 3), target: at(3, 3), weight: null, paths: 1 },
    ]);
  });

  test("of random graphs joins all its paths: following edges gives each path's turns back", () => {
    for (const { graph } of samples(200)) {
      const { tokens, paths, nodes, edges } = reduceGraph(graph, {
        paths: 4,
        measure: "product",
        mass: 0.85,
        tokens: 3,
      });
      expect(tokens.length).toBeLessThanOrEqual(3);
      const kept = new Set(nodes.map(({ layer, token }) => `${layer}/${token}`));
      expect(sum(edges.map((edge) => edge.paths))).toBe(
        sum(paths.map((path) => path.nodes.filter(({ layer, token }) => kept.has(`${layer}/${token}`)).length - 1)),
      );
      for (const { nodes: own } of paths) {
        expect(kept.has(`${own[0]!.layer}/${own[0]!.token}`)).toBe(true);
        own.forEach(({ token, layer }, index) => {
          if (index > 0 && own[index - 1]!.token !== token) expect(kept.has(`${layer}/${token}`)).toBe(true);
        });
      }
      for (const { source, target, weight } of edges) {
        expect(target.layer).toBeGreaterThan(source.layer);
        if (source.token !== target.token) expect(weight).not.toBe(null);
      }
    }
  });

  test("a graph without edges has no paths, and nothing is divided by zero", () => {
    const empty = sampleOf([[[0, 0], [0, 0]]], [0, 1], [[1, 1], [0, 0]]);
    const { transitions, layers, hubs, centre, reduced } = measureGraph(empty.graph);
    expect([hubs, centre]).toEqual([[], null]);
    expect(transitions[0]).toMatchObject({ edges: 0, mass: 0, gini: null, verticality: null, lookBack: null });
    expect(layers[1]).toEqual({ layer: 1, sinkShare: null, centre: null, centreWithoutSink: null });
    expect(reduced).toEqual({ tokens: [], layers: [], paths: [], nodes: [], edges: [] });
  });
});
