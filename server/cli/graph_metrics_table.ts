/** A graph's metrics as people read them on a terminal of 80 columns. Formulas: docs/graph-metrics.md. */
import type { StoredGraphMetrics } from "../../schema/tables/analysis_values.ts";
import { signedLogits, tokenName, type TokenNames } from "./attribution_table.ts";
import { hang, textTable } from "./text_table.ts";

const share = (value: number | null): string => value === null ? "-" : `${(100 * value).toFixed(1)}%`;
const number = (value: number | null): string => value === null ? "-" : value.toFixed(2);

const rows = (head: readonly string[], cells: readonly (readonly string[])[]): string =>
  textTable([head, ...cells], { right: () => true, indent: 1 });

/** Shape of each transition, the first token's share of each layer, and the reduced graph with its paths. */
export function describeMetrics(metrics: StoredGraphMetrics, inputIds: readonly number[], names: TokenNames): string {
  const { transitions, layers, hubs, transfer, reduced } = metrics;
  const name = (token: number) => `${token} ${tokenName(names, inputIds[token]!, 16)}`;
  const shapes = transitions.map((one) => [
    `${one.source} > ${one.target}`,
    number(one.fanIn.mean),
    number(one.fanOut.mean),
    number(one.gini),
    share(one.verticality),
    share(one.sinkShare),
    number(one.lookBack),
  ]);
  const positions = layers.map(({ layer, sinkShare, centre, centreWithoutSink }) => [
    String(layer),
    share(sinkShare),
    number(centre),
    number(centreWithoutSink),
  ]);
  const paths = reduced.paths.map(({ strength, nodes }) =>
    `${share(strength).padStart(8)}  ${
      hang("", 10, runs(nodes.map(({ token }) => token)).map((token, at) => `${at > 0 ? "> " : ""}${name(token)}`))
    }\n`
  );
  return `\n${rows(["layers", "fan-in", "fan-out", "Gini", "vertical", "first token", "look-back"], shapes)}\n` +
    rows(["layer", "first token's relevance", "centre", "without it"], positions) +
    "\nstrongest paths into the last token, share of a backward walk\n(vertical runs as one)\n" + paths.join("") +
    `\n${hang(`tokens that hand most to the last position, logits by layer ${transfer.layers.join(", ")}`, 2)}\n` +
    transfer.tokens.map(({ token, cumulative }) =>
      `${name(token).padEnd(30)} ${hang("", 31, cumulative.map((value) => signedLogits(value).padStart(11)))}\n`
    ).join("") +
    "\nhubs: nodes with most mass through their sideways edges\n" +
    rows(
      ["layer", "token", "in", "out", "mass"],
      hubs.map(({ layer, token, fanIn, fanOut, mass }) => [
        String(layer),
        name(token),
        String(fanIn),
        String(fanOut),
        number(mass),
      ]),
    );
}

/** A path's tokens, each once where it stays on it. */
const runs = (tokens: readonly number[]): number[] => tokens.filter((token, index) => token !== tokens[index - 1]);
