/** The actions of a GAIA2 scenario: those that its oracle expects, and those that the agent committed. */
import { z } from "zod";
import type { JsonObject } from "../../gpu/mod.ts";
import { type Action, readAction } from "../checkers/gaia2/action.ts";
import { compareActions } from "../checkers/gaia2.ts";

const event = z.looseObject({
  event_type: z.string(),
  class_name: z.string().nullish(),
  action: z.looseObject({ app: z.string(), function: z.string(), operation_type: z.string().nullish() }).nullish(),
});

/** The first action that no expected one stands for. */
export interface WrongAction {
  /** Its place among the agent's actions that are judged, counted from 0. */
  readonly at: number;
  readonly committed: Action;
  /** What was expected when it was committed, in the form of a check item; undefined when nothing was left. */
  readonly expected: JsonObject | undefined;
}

/**
 * The agent's actions in their order, and the first of them that the oracle does not expect; undefined where each has its
 * expected action, whose wording may differ, or where there is no oracle.
 */
export function firstWrongAction(
  events: readonly unknown[],
  completed: readonly unknown[],
): { readonly actions: readonly Action[]; readonly wrong: WrongAction | undefined } {
  // What only reads changes nothing, and is not expected.
  const actions = actionsOf(completed, ({ action }) => action?.operation_type !== "read").map(({ action }) => action);
  const left = actionsOf(events, ({ class_name: kind }) => kind === "OracleEvent");
  if (left.length === 0) return { actions, wrong: undefined };
  for (const [at, committed] of actions.entries()) {
    const verdicts = left.map(({ action }) => compareActions(action, committed).passed);
    const equal = verdicts.indexOf(true);
    const matched = equal >= 0 ? equal : verdicts.indexOf(null);
    if (matched >= 0) left.splice(matched, 1);
    else return { actions, wrong: { at, committed, expected: expectedOf(left, committed) } };
  }
  return { actions, wrong: undefined };
}

/** The expected actions of the same tool, where there are any; else all that are left. */
function expectedOf(left: readonly Found[], committed: Action): JsonObject | undefined {
  const tool = (action: Action) => action.kind === "call" ? action.tool : "";
  const same = left.filter(({ action }) => action.kind === committed.kind && tool(action) === tool(committed));
  const expected = (same.length > 0 ? same : left).map(({ action }) => written(action));
  return expected.length > 1 ? { any_of: expected } : expected[0];
}

function written(action: Action): JsonObject {
  return action.kind === "answer" ? { final_answer: action.text } : { name: action.tool, arguments: action.arguments };
}

interface Found {
  readonly action: Action;
}

function actionsOf(events: readonly unknown[], wanted: (one: z.infer<typeof event>) => boolean): Found[] {
  return events.flatMap((one) => {
    const parsed = event.safeParse(one);
    if (!parsed.success || parsed.data.event_type !== "AGENT" || !parsed.data.action || !wanted(parsed.data)) return [];
    const action = readAction(parsed.data.action);
    return action === undefined ? [] : [{ action }];
  });
}
