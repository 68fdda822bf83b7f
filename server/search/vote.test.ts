import { expect, test } from "vitest";
import { countVotes, describeTie, type Vote } from "./vote.ts";

const pair = (annotator: string, position: number, contrastId: number): Vote => ({
  annotator,
  decision: "pair",
  position,
  contrastId,
  reason: "",
});
const exclude = (annotator: string, reason: string): Vote => ({
  annotator,
  decision: "exclude",
  position: null,
  contrastId: null,
  reason,
});

test("nobody decides nothing, a single vote decides", () => {
  expect(countVotes([])).toBeUndefined();
  expect(countVotes([pair("Ada", 3, 7)])).toEqual({ kind: "pair", position: 3, contrastId: 7, annotators: ["Ada"] });
  expect(countVotes([exclude("Ada", "broken")])).toEqual({ kind: "exclude", annotators: ["Ada"], reason: "broken" });
});

test("more than half of the votes decide, on position and contrast taken together", () => {
  const two = [pair("Bob", 3, 7), pair("Eve", 3, 8), pair("Ada", 3, 7)];
  expect(countVotes(two)).toEqual({ kind: "pair", position: 3, contrastId: 7, annotators: ["Ada", "Bob"] });
  const out = [exclude("Bob", "broken"), pair("Eve", 3, 8), exclude("Ada", "unclear")];
  expect(countVotes(out)).toEqual({ kind: "exclude", annotators: ["Ada", "Bob"], reason: "unclear; broken" });
});

test("half of the votes are no majority, nor is the largest of many minorities", () => {
  for (
    const votes of [
      [pair("Ada", 3, 7), pair("Bob", 4, 7)],
      [pair("Ada", 3, 7), exclude("Bob", "")],
      [pair("Ada", 3, 7), pair("Bob", 3, 7), pair("Eve", 4, 7), exclude("Zoe", "")],
    ]
  ) expect(countVotes(votes)?.kind).toBe("tie");
  const tie = countVotes([exclude("Zoe", ""), pair("Ada", 3, 7), pair("Bob", 3, 7), pair("Eve", 4, 9)]);
  expect(tie?.kind === "tie" && describeTie(tie, (id) => ` ${id}`))
    .toBe('annotators disagree: " 7" at position 3 (Ada, Bob) or " 9" at position 4 (Eve) or leave out (Zoe)');
});
