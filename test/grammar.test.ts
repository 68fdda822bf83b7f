/**
 * Files as their grammars have them, odd values among the right ones: each is read, or refused in one line that names its
 * place; nothing crashes, hangs or takes memory for what a length claims. `npm run soak -- grammar` tries 10,000 of each.
 */
import { afterAll, describe, expect, test } from "vitest";
import { GRAMMARS, tryGrammar } from "./grammar.ts";

/** Printed where something fails; another one is tried by GRAMMAR_SEED. */
const SEED = Number(process.env["GRAMMAR_SEED"] ?? 1);
const RUNS = 300;

afterAll(() => console.info(`grammar: seed ${SEED}, ${RUNS} of each`));

describe.each(Object.keys(GRAMMARS))("%s", (name) => {
  test("is read or refused", { timeout: 300_000 }, async () => {
    const { fault, read, refused } = await tryGrammar(name, { seed: SEED, runs: RUNS });
    expect(fault).toBe(undefined);
    // Generators that make only what is refused would show nothing, nor would readers that take anything.
    expect(read).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(0);
  });
});
