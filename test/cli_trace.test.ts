/** `culprit trace`: what it prints for programs and people, what it draws, and what it refuses. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../server/base/settings.ts";
import { culprit, refused } from "./command_line.ts";

const COMPLETION = "First 2 and 2. Be glad.\n2 + 2 = 4\nSo it is 5";
const asked = ["--model", join(ROOT, "models", "demo-1m"), "--chat", "What is 2 + 2? Be brief."];
const demo = ["trace", ...asked, "--completion", COMPLETION];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "culprit-trace-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const sum = (values: readonly number[]) => values.reduce((all, value) => all + value, 0);
const json = async (args: readonly string[]) => {
  const { code, out } = await culprit([...args, "--json"]);
  expect(code).toBe(0);
  return JSON.parse(out);
};

test("--json has steps, rows and heat that fit together, and the token at --at is the error", async () => {
  const svg = join(folder, "trace.svg");
  const trace = await json([...demo, "--at", "26", "--contrast", "text:4", "--svg", svg]);
  expect(Object.keys(trace)).toEqual([
    ...["rule", "inputIds", "tokens", "promptTokens", "sentences", "steps", "error", "heat", "signedHeat", "relevance"],
    ...["reach", "lostAt", "adapter", "seconds"],
  ]);
  const { inputIds, tokens, promptTokens, sentences, steps, error, heat, relevance } = trace;
  expect(tokens).toHaveLength(inputIds.length);
  expect(tokens.slice(promptTokens).join("")).toBe(COMPLETION.slice(0, -1));
  expect([error.target.text, error.contrast.text]).toEqual(["5", "4"]);
  expect(error.value).toBeCloseTo(error.target.logit - error.contrast.logit, 4);
  expect(steps.map(({ text }: { text: string }) => text)).toEqual([
    "First 2 and 2.",
    "Be glad.",
    "2 + 2 = 4",
    "So it is",
  ]);
  const rows = [...steps.map(({ row }: { row: unknown }) => row), error];
  for (const { shares, own, special } of rows) expect(sum(shares) + own + special).toBeCloseTo(1, 9);
  const ends = sentences.map(({ start, end }: { start: number; end: number }) => sum(heat.slice(start, end)));
  expect(sum(ends) + sum(rows.map(({ lost }) => lost))).toBeCloseTo(1, 9);
  expect(sum(relevance.map(Math.abs))).toBeCloseTo(error.absolute, 3);
  const drawn = readFileSync(svg, "utf8");
  expect(drawn).toMatch(/^<svg [^>]*>/);
  for (const text of ["What is 2 + 2?", "Be glad.", "5 instead of 4"]) expect(drawn).toContain(text);
});

test("a table of 80 columns for people; without tokens the last step is what is explained", async () => {
  const { out, code } = await culprit(demo);
  expect(code).toBe(0);
  expect(out).toMatch(
    /^value -?[\d.]+, the last step against its best rivals: "So it is 5"\nattnlrp, \d+ tokens in 4 steps/,
  );
  expect(out).toMatch(
    /\nSteps by what reaches them of the error \(step, share, signed\):\n +\d {2}0\.\d{3} [-+]0\.\d{3} /,
  );
  expect(out).toMatch(/\nSentences of the prompt \(prompt, share, signed\):\n +\d {2}0\.\d{3}/);
  expect(out).toMatch(
    /\nWords of the prompt by the whole chain \(position, share, signed; direct\):\n +\d+ {2}0\.\d{3}/,
  );
  // The adapter's own name may be longer than a line.
  for (const line of out.split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
  const contrast = await culprit([...demo, "--contrast", "text: the"]);
  expect(contrast.out).toMatch(
    /^delta -?[\d.]+ = -?[\d.]+ \(target \d+ ".*"\)\n {2}- -?[\d.]+ \(contrast \d+ " the"\)\n/,
  );
});

test("a completion from a file of text or ids, and steps that are cut by hand", async () => {
  const [text, ids] = [join(folder, "text.txt"), join(folder, "ids.json")];
  writeFileSync(text, `${COMPLETION}\n`);
  const direct = await json(demo);
  writeFileSync(ids, JSON.stringify(direct.inputIds.slice(direct.promptTokens)));
  for (const file of [text, ids]) {
    const { inputIds, steps } = await json(["trace", ...asked, "--completion", file]);
    expect([inputIds, steps.length]).toEqual([direct.inputIds, 4]);
  }
  const { steps } = await json([...demo, "--boundaries", "0,3,9"]);
  expect(steps.map(({ kind, start }: { kind: string; start: number }) => [kind, start - direct.promptTokens])).toEqual(
    [["chosen", 0], ["chosen", 3], ["chosen", 9]],
  );
});

test("a plan, and what makes no sense is one line", async () => {
  const plan = await json(["plan", "trace", ...asked, "--completion", COMPLETION]);
  expect(Object.keys(plan)).toEqual(["gpuBytes", "hostBytes", "seconds", "fits", "why"]);
  expect(plan.fits).toBe(true);
  await refused(["trace", ...asked], /^--completion: is missing/);
  await refused(
    [...demo, "--at", "999"],
    /^--at: the completion has \d+ tokens, none at position 999; give a position/,
  );
  await refused(
    [...demo, "--at", "2", "--target", "5"],
    /^--target: names the wrong token that --at points at; give one/,
  );
  await refused(
    [...demo, "--boundaries", "0,9,4"],
    /^--boundaries: "4" is no place for a step to begin; give ascending/,
  );
  await refused([...demo, "--target", "5", "--contrast", "5"], /^--contrast: target and contrast are the same token 5/);
  await refused(["trace", ...asked, "--completion", ""], /^--completion: the completion has no tokens; give what/);
  await refused([...demo, "--rule", "lrp"], /^--rule: there is no rule "lrp"/);
  const proof = ["trace", "proof", "--model", "none", "--benchmark", "gsm8k"];
  await refused(proof.slice(0, 4), /^--benchmark: is missing/);
  await refused([...proof, "--counts", "2,1"], /^--counts: are no ascending counts; give them as 1,2,4,8/);
  await refused(
    [...proof, "--replacement", "noise"],
    /^--replacement: there is no such replacement; give one of: remove/,
  );
  await refused([...proof, "--rollouts", "11"], /^--rollouts: 11 are too many; give 10 at most/);
});
