/** What is shown of a text and of the heats over it: as units, and of a long text what is folded. */
import { useMemo } from "preact/hooks";
import { type Folded, TALL } from "../../../figures/folds.ts";
import type { HeatState } from "../shell/route.ts";
import type { Token } from "./documents.ts";
import { foldsOfAll } from "./folds.ts";
import type { View } from "./heat_value.ts";
import type { Heat } from "./read_case.ts";
import { heatOfUnits, unitAt, type Units, unitsOf } from "./units.ts";

export interface Shown {
  readonly units: Units;
  /** In the order that they were given. */
  readonly heats: readonly (Heat | undefined)[];
  /** Whether the text is so long that parts of it are folded. */
  readonly long: boolean;
  /** Of each heat; undefined where nothing is folded. */
  readonly folds: readonly (readonly Folded[])[] | undefined;
  /** The address with the fold open that begins at a unit. */
  openFold(index: number): Partial<HeatState>;
}

export function useShown(of: {
  readonly route: Pick<HeatState, "unit" | "text" | "open">;
  readonly tokens: readonly Token[];
  readonly promptTokens: number;
  readonly heats: readonly (Heat | undefined)[];
  readonly view: View;
  /** Whether there is anything to fold around. */
  readonly foldable: boolean;
  /** Positions of tokens that are seen, beside those of the address. */
  readonly open?: readonly number[];
}): Shown {
  const { route, tokens, promptTokens, view } = of;
  const units = useMemo(() => unitsOf(tokens, promptTokens, route.unit), [tokens, promptTokens, route.unit]);
  const heats = useMemo(
    () => of.heats.map((heat) => heat === undefined ? undefined : heatOfUnits(heat, units)),
    [...of.heats, units],
  );
  const long = of.foldable && units.units.length > TALL;
  const open = [...route.open, ...of.open ?? []];
  const folds = useMemo(
    () =>
      long && route.text === "folded"
        ? foldsOfAll(units.units, units.promptUnits, heats, view, open.map((position) => unitAt(units, position)))
        : undefined,
    [long, route.text, units, heats, view.special, open.join()],
  );
  const openFold = (index: number): Partial<HeatState> => {
    const position = units.spans[index]?.from ?? index;
    return route.open.includes(position) ? {} : { open: [...route.open, position] };
  };
  return { units, heats, long, folds, openFold };
}
