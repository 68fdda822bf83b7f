/** The actions of a GAIA2 scenario: those that its oracle expects, and those that the agent committed. */
import { z } from "zod";
import { canonicalHash } from "../base/canonical_hash.ts";

const event = z.looseObject({
  event_type: z.string(),
  action: z.looseObject({
    app: z.string(),
    function: z.string(),
    args: z.array(z.looseObject({
      name: z.string(),
      value: z.string().nullable(),
      value_type: z.string().nullish(),
    })).default([]),
  }).nullish(),
});

export interface Action {
  /** `App__function`, as agents call their tools. */
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** What an agent says to its user is judged by people's words, not by equality. */
const SAYS = "AgentUserInterface__send_message_to_user";

/**
 * The first action that the oracle expects and the agent did not commit, whatever their order; undefined when there is
 * none, or no oracle.
 */
export function firstWrongAction(events: readonly unknown[], completed: readonly unknown[]): Action | undefined {
  const committed = actionsOf(completed, () => true);
  for (const expected of actionsOf(events, (one) => one["class_name"] === "OracleEvent")) {
    const at = committed.findIndex((action) =>
      action.name === expected.name && (expected.name === SAYS || sameArguments(expected, action))
    );
    if (at < 0) return expected;
    committed.splice(at, 1);
  }
  return undefined;
}

/** Arguments that are not expected may be left at null. */
function sameArguments(expected: Action, action: Action): boolean {
  const filled = (one: Action) =>
    canonicalHash(Object.fromEntries(Object.entries(one.arguments).filter(([, value]) => value !== null)));
  return filled(expected) === filled(action);
}

function actionsOf(
  events: readonly unknown[],
  wanted: (event: Readonly<Record<string, unknown>>) => boolean,
): Action[] {
  return events.flatMap((one) => {
    const parsed = event.safeParse(one);
    if (!parsed.success || parsed.data.event_type !== "AGENT" || !parsed.data.action || !wanted(parsed.data)) return [];
    const { app, function: name, args } = parsed.data.action;
    return [{
      name: `${app}__${name}`,
      arguments: Object.fromEntries(args.map(({ name, value, value_type }) => [name, valueOf(value, value_type)])),
    }];
  });
}

/** Lists and dictionaries are written as JSON, everything else as Python's `str` writes it. */
function valueOf(value: string | null, type: string | null | undefined): unknown {
  if (value === null) return null;
  if (type === "bool") return value === "True";
  if (type === "int" || type === "float") return Number(value);
  if (type !== "list" && type !== "dict") return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}
