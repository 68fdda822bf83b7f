/**
 * GAIA2: whether the action that an agent committed is the expected one. The rules are those of the benchmark's own
 * scripted checks where it has them; what it leaves to a language model as a judge is decided here only when it is
 * equal, and reported as undecided otherwise. `docs/checkers.md` has the rules.
 */
import type { CheckItem, Verdict } from "./checker.ts";
import { type Action, readAction, responseAction } from "./gaia2/action.ts";
import { compareArgument, compareByRule, compareText } from "./gaia2/compare.ts";
import { argumentRules } from "./gaia2/tool_arguments.ts";

/**
 * Compares the first action of a response with the item's expected action, or with each of `expected.any_of`. Detail:
 * `{expected, committed}`, and `different`, `undecided`: names of arguments.
 */
export function checkGaia2(item: Extract<CheckItem, { readonly kind: "gaia2" }>, response: string): Verdict {
  const { any_of: several } = item.expected;
  const choices = (Array.isArray(several) ? several : [item.expected]).map(readAction);
  const known = choices.filter((choice) => choice !== undefined);
  if (known.length === 0) return { passed: null, reason: "no expected action is known" };
  const committed = responseAction(response);
  if (committed === undefined) {
    return { passed: false, reason: "the response holds no action", detail: { expected: known[0], committed: null } };
  }
  const verdicts = known.map((expected) => compareActions(expected, committed));
  return verdicts.find(({ passed }) => passed) ?? verdicts.find(({ passed }) => passed === null) ?? verdicts[0]!;
}

/** Compares two actions: the one notion of equality, for judging an action and for finding the first wrong one. */
export function compareActions(expected: Action, committed: Action): Verdict {
  const detail = { expected, committed };
  if (expected.kind === "answer" && committed.kind === "answer") {
    const same = compareText(expected.text, committed.text);
    if (same) return { passed: true, detail };
    return same === undefined
      ? { passed: null, reason: "the answer's wording differs: a person has to compare it", detail }
      : { passed: false, reason: `the answer is ${JSON.stringify(committed.text)}`, detail };
  }
  if (expected.kind === "answer" || committed.kind === "answer") {
    const did = committed.kind === "answer" ? "answered" : `called ${committed.tool}`;
    const should = expected.kind === "answer" ? "answer" : `call ${expected.tool}`;
    return { passed: false, reason: `the agent ${did}, and should ${should}`, detail };
  }
  if (expected.tool !== committed.tool) {
    return { passed: false, reason: `the agent called ${committed.tool}, and should call ${expected.tool}`, detail };
  }
  return compareArguments(expected, committed, detail);
}

type Call = Extract<Action, { readonly kind: "call" }>;

/** By the benchmark's rules for its own tools; by the names and values of the arguments for all others. */
function compareArguments(
  { tool, arguments: expected }: Call,
  { arguments: committed }: Call,
  detail: Readonly<Record<string, unknown>>,
): Verdict {
  const rules = argumentRules(tool);
  const names = Object.keys(rules ?? { ...expected, ...committed });
  const compared = names.map((name) => {
    const rule = rules?.[name];
    const same = rule === undefined
      ? compareArgument(name, expected[name], committed[name])
      : compareByRule(rule, expected[name], committed[name]);
    return { name, same };
  });
  const different = compared.filter(({ same }) => same === false).map(({ name }) => name);
  const undecided = compared.filter(({ same }) => same === undefined).map(({ name }) => name);
  const found = { ...detail, different, undecided };
  if (different.length > 0) {
    return { passed: false, reason: `arguments differ: ${different.join(", ")}`, detail: found };
  }
  if (undecided.length > 0) {
    const reason = `the wording of ${undecided.join(", ")} differs: a person has to compare it`;
    return { passed: null, reason, detail: found };
  }
  return { passed: true, detail: found };
}
