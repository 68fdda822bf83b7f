/** Training prompts: every type with arguments that can be followed, drawn by the seed, none of them held out. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../server/base/settings.ts";
import { checkIfeval } from "../server/checkers/ifeval/check.ts";
import { locateInstructions } from "../server/marks/locate.ts";
import { checkItemOf, readItems } from "../server/benchmarks/items.ts";
import { culprit, refused } from "./command_line.ts";
import { followingResponse } from "./following_response.ts";
import { openHeldOut } from "../server/benchmarks/training_prompts/held_out.ts";
import { TYPES } from "../server/benchmarks/training_prompts/instructions.ts";
import { makePrompts } from "../server/benchmarks/training_prompts/make_prompts.ts";

const NONE = openHeldOut([]);

async function ifevalPrompts(): Promise<string[]> {
  const items = await readItems(join(ROOT, "test", "data", "ifeval", "input_data.jsonl.gz"), "ifeval");
  return Array.from({ length: items.count }, (_, index) => items.at(index)!["prompt"] as string);
}

test("a seed fixes the prompts, fewer are the first of more, and no two are the same", () => {
  const [all, some] = [makePrompts(60, 3, NONE).prompts, makePrompts(20, 3, NONE).prompts];
  expect(all.slice(0, 20)).toEqual(some);
  expect(makePrompts(20, 4, NONE).prompts.map(({ prompt }) => prompt)).not.toEqual(some.map(({ prompt }) => prompt));
  expect(new Set(all.map(({ prompt }) => prompt)).size).toBe(60);
  expect(new Set(all.map(({ key }) => key)).size).toBe(60);
});

test("all 25 types come, the first 25 prompts have each, and IFEval's shares of one, two and three demands", async () => {
  const { INSTRUCTIONS } = await import("../server/checkers/ifeval/instructions.ts");
  expect([...TYPES].sort()).toEqual([...INSTRUCTIONS.keys()].sort());
  const { prompts } = makePrompts(541, 1, NONE);
  expect(new Set(prompts.slice(0, 25).flatMap((one) => one.instruction_id_list)).size).toBe(25);
  const counts = [1, 2, 3].map((count) => prompts.filter((one) => one.kwargs.length === count).length);
  // Types that go with none have one demand whatever was drawn.
  expect(counts[0]).toBeGreaterThan(280);
  expect(counts[1]).toBeGreaterThan(120);
  expect(counts[2]).toBeGreaterThan(25);
  expect(counts.reduce((sum, one) => sum + one, 0)).toBe(541);
});

test("each prompt can be followed to the checker's word, and states each demand where it says and where the locator finds it", () => {
  for (const made of makePrompts(250, 2, NONE).prompts) {
    const { prompt, instruction_phrases: phrases, instruction_id_list: types } = made;
    const item = { kind: "ifeval", ...made } as const;
    const response = followingResponse(made);
    expect(checkIfeval(item, response), `${prompt}\n---\n${response}`).toMatchObject({ passed: true });
    expect(phrases).toHaveLength(types.length);
    for (const phrase of phrases) expect(prompt).toContain(phrase);
    for (const { id, index, phrases: found } of locateInstructions(made)) {
      expect(found.length, `${id} in ${prompt}`).toBeGreaterThan(0);
      const inside = found.some((part) => phrases[index]!.includes(part) || part.includes(phrases[index]!));
      expect(inside, `${id}: ${found.join(" | ")} in ${prompt}`).toBe(true);
    }
  }
});

test("no prompt of IFEval is near one of them; a held-out prompt and its near copies are refused", async () => {
  const held = await ifevalPrompts();
  expect(held).toHaveLength(541);
  const against = openHeldOut(held);
  const made = makePrompts(400, 1, against);
  expect([made.refused, made.prompts.length]).toEqual([0, 400]);
  // The three answers of constrained responses are the checker's own: two sentences of nine words.
  const others = made.prompts.filter((one) =>
    !one.instruction_id_list.includes("detectable_format:constrained_response")
  );
  expect(Math.max(...others.map(({ prompt }) => against.overlap(prompt)))).toBeLessThan(0.2);
  const copies = makePrompts(20, 1, NONE).prompts.map(({ prompt }) => prompt);
  const other = [copies[0]!.toUpperCase().replaceAll(/[.,]/g, " !"), ...copies.slice(1)];
  const apart = makePrompts(20, 1, openHeldOut(other));
  expect(apart.refused).toBeGreaterThanOrEqual(20);
  expect(apart.overlap).toBeLessThan(0.5);
  for (const { prompt } of apart.prompts) expect(copies).not.toContain(prompt);
  const full = makePrompts(25, 1, NONE).prompts.map(({ prompt }) => prompt);
  expect(() => makePrompts(25, 1, openHeldOut(full))).toThrow(
    /^held-out prompts: no prompt of type detectable_format:constrained_response can be made that is none of them; leave/,
  );
});

test("the overlap of two prompts is the share of rows of five words that the shorter one has in the longer", () => {
  const held = openHeldOut(["Write a poem about the sea at night, please, and use no commas.", "One two three."]);
  expect(held.overlap("write a POEM about the sea - at night please: and use no commas")).toBe(1);
  // Six words in a row are two rows of five; of the text's own five rows.
  expect(held.overlap("Write a poem about the sea when it is")).toBeCloseTo(2 / 5, 12);
  // A longer text that has all of a held-out one within.
  expect(held.overlap("Listen: write a poem about the sea at night please and use no commas. Then sing it.")).toBe(1);
  expect(held.overlap("one, two THREE!")).toBe(1);
  expect(held.overlap("one two three four")).toBe(0);
});

test("culprit prompts writes a benchmark file and says what it was compared with", async () => {
  const folder = await mkdtemp(join(tmpdir(), "culprit-prompts-"));
  try {
    const [out, held] = [join(folder, "made.jsonl"), join(ROOT, "test", "data", "ifeval", "input_data.jsonl.gz")];
    const { code, err, out: told } = await culprit(["prompts", "--out", out, "--count", "50", "--held-out", held]);
    expect(code, err).toBe(0);
    expect(told).toMatch(
      /made\.jsonl: 50 prompts, 25 types of instructions\ncompared with 541 held-out prompts: 0 refused/,
    );
    const items = await readItems(out, "made");
    expect(items.count).toBe(50);
    const { prompts } = makePrompts(50, 1, NONE);
    expect(checkItemOf(items.at(3)!)).toMatchObject({ kind: "ifeval", prompt: prompts[3]!.prompt });
    const again = await culprit(["prompts", "--out", out, "--count", "3", "--seed", "2", "--json"]);
    expect(JSON.parse(again.out)).toMatchObject({ total: 3, heldOut: 0, refused: 0 });
    expect((await readItems(out, "made")).at(0)!["prompt"]).toBe(makePrompts(3, 2, NONE).prompts[0]!.prompt);
    await refused(["prompts", "--count", "3"], /^--out: is missing/);
    await refused(["prompts", "--out", join(folder, "no", "a.jsonl")], /a\.jsonl: cannot be written \(ENOENT\); give/);
    await refused(["prompts", "--out", out, "--count", "30000"], /^--count: 30000 are too many; give 20000 at most/);
    await refused(["prompts", "--out", out, "--held-out", join(folder, "none")], /none: it cannot be read as a file/);
  } finally {
    await rm(folder, { recursive: true });
  }
});
