/** A graph's metrics as people read them on a terminal of 80 columns. Formulas: docs/graph-metrics.md. */
import type { StoredGraphMetrics } from "../../schema/tables/analysis_values.ts";
import { signedLogits, tokenName, type TokenNames } from "./attribution_table.ts";

const share = (value: number | null): string => value === null ? "-" : `${(100 * value).toFixed(1)}%`;
const number = (value: number | null): string => value === null ? "-" : value.toFixed(2);

function rows(head: readonly string[], cells: readonly (readonly string[])[]): string {
  const width = head.map((title, column) =>
    Math.max(title.length, ...cells.map((row) => row[column]!.length)) + (column === 0 ? 1 : 2)
  );
  return [head, ...cells].map((row) => `${row.map((cell, column) => cell.padStart(width[column]!)).join("")}\n`).join(
    "",
  );
}

/** Shape of each transition, the first token's share of each layer, and the reduced graph with its paths. */
export function describeMetrics(metrics: StoredGraphMetrics, inputIds: readonly number[], names: TokenNames): string {
  const { transitions, layers, hubs, transfer, reduced } = metrics;
  const name = (token: number) => `${token} ${tokenName(names, inputIds[token]!)}`;
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
    `${share(strength).padStart(8)}  ${runs(nodes.map(({ token }) => token)).map(name).join(" > ")}\n`
  );
  return `\n${rows(["layers", "fan-in", "fan-out", "Gini", "vertical", "first token", "look-back"], shapes)}\n` +
    rows(["layer", "first token's relevance", "centre", "without it"], positions) +
    "\nstrongest paths into the last token, share of a backward walk, vertical runs as one\n" + paths.join("") +
    `\ntokens that hand most to the last position, logits by layer ${transfer.layers.join(", ")}\n` +
    transfer.tokens.map(({ token, cumulative }) =>
      `${name(token).padEnd(24)} ${cumulative.map((value) => signedLogits(value)).join(" ")}\n`
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
