/** HumanEval+ and MBPP+ in both of their forms, judged in the sandbox without numpy. */
import { afterAll, describe, expect, test } from "vitest";
import { checkItemOf, type Items, readItems, withInputTexts } from "../server/benchmarks/items.ts";
import { evalPlusTests } from "../server/checkers/code/evalplus.ts";
import { type CodeItem, completionOf } from "../server/checkers/code/program.ts";
import { openSandbox } from "../server/checkers/code/sandbox.ts";

const DATA = new URL("data/evalplus/", import.meta.url).pathname;
const native = await readItems(`${DATA}HumanEvalPlus.jsonl.gz`, "HumanEvalPlus.jsonl.gz");
const table = await readItems(`${DATA}HumanEvalPlus-OriginFmt.jsonl.gz`, "HumanEvalPlus-OriginFmt.jsonl.gz");
const sandbox = openSandbox({ timeoutSeconds: 60, oneSource: true });
afterAll(() => sandbox.close());

const itemOf = (items: Items, id: string) => checkItemOf(items.find(id)!) as CodeItem;
const check = (item: CodeItem, completion: string) => sandbox.check(item, { completion });
const solutionOf = (id: string) => String(native.find(id)!["canonical_solution"]);

describe.each([["inputs beside a canonical solution", native], ["one test program", table]])("%s", (_name, items) => {
  test.each(["HumanEval/2", "HumanEval/32", "HumanEval/53"])(
    "the canonical solution of %s passes",
    async (id) => expect(await check(itemOf(items, id), solutionOf(id))).toEqual({ passed: true }),
  );

  test("an answer that only the plus tests find wrong fails", async () => {
    // Right for the base tests, whose numbers are whole.
    const wrong = await check(itemOf(items, "HumanEval/53"), "    return int(x) + int(y) if x != 0 else y + 1\n");
    expect(wrong).toMatchObject({ passed: false, reason: expect.stringMatching(/^failed: AssertionError/) });
  });

  test("floats are compared with a tolerance", async () => {
    const near = "    return (number % 1.0) * (1 + 1e-12)\n";
    expect(await check(itemOf(items, "HumanEval/2"), near)).toEqual({ passed: true });
    const far = "    return (number % 1.0) * (1 + 1e-3)\n";
    expect(await check(itemOf(items, "HumanEval/2"), far)).toMatchObject({ passed: false });
  });
});

const row = (changes: Record<string, unknown>, inputs: string) => {
  const text = `{"base_input": ${inputs}, "plus_input": [], "other": {"base_input": 1}}`;
  return withInputTexts({ ...JSON.parse(text), atol: 0, ...changes }, text);
};
const mbpp = (id: number, name: string, solution: string, inputs: string) =>
  checkItemOf(row({
    task_id: `Mbpp/${id}`,
    prompt: '"""\nWrite it.\n"""\n',
    entry_point: name,
    canonical_solution: solution,
  }, inputs)) as CodeItem;

test("inputs keep what JavaScript's numbers would lose", async () => {
  const item = mbpp(1, "show", "def show(x):\n    return repr(x)\n", "[[1.0], [9007199254740993], [1e400]]");
  expect(evalPlusTests(item as Extract<CodeItem, { kind: "evalplus" }>)).toContain("9007199254740993");
  expect(
    await check(
      item,
      "\ndef show(x):\n    return ['1.0', '9007199254740993', 'inf'][[1, 2 ** 53 + 1].index(x) if x < 1e300 else 2]\n",
    ),
  )
    .toEqual({ passed: true });
});

test("MBPP+: inputs that JSON cannot hold, sets, and the tasks that are compared otherwise", async () => {
  const similar = "def similar_elements(a, b):\n    return tuple(set(a) & set(b))\n";
  const item = mbpp(2, "similar_elements", similar, "[[[3, 4, 5], [5, 4, 9]]]");
  // The arguments are tuples, and the order of the result does not count.
  expect(await check(item, "\ndef similar_elements(a, b):\n    return [5, 4] if type(a) is tuple else []\n"))
    .toEqual({ passed: true });
  expect(await check(item, "\ndef similar_elements(a, b):\n    return [5]\n")).toMatchObject({ passed: false });
  const same = mbpp(5, "same", "def same(x):\n    return [x]\n", "[[1]]");
  expect(await check(same, "\ndef same(x):\n    return (x,)\n")).toMatchObject({ passed: false });
});

test("a package that is not here decides nothing, a module that does not exist does", async () => {
  const item = itemOf(native, "HumanEval/53");
  expect(await check(item, "    import numpy as np\n    return int(np.add(x, y))\n")).toEqual({
    passed: null,
    reason: "numpy is imported, which is not here",
  });
  expect(await check(item, "    import nomodule\n    return x + y\n")).toMatchObject({ passed: false });
});

test("packages of a named folder can be imported", async () => {
  process.env["CULPRIT_WHEELS"] = new URL("data/wheels", import.meta.url).pathname;
  const other = openSandbox({ timeoutSeconds: 60, processes: 1 });
  try {
    const completion = "    import numpy as np\n    return np.add(x, y)\n";
    expect(await other.check(itemOf(native, "HumanEval/53"), { completion })).toEqual({ passed: true });
  } finally {
    delete process.env["CULPRIT_WHEELS"];
    await other.close();
  }
});

test("an answer goes on with the fence that its prompt opened", () => {
  const item = itemOf(native, "HumanEval/53");
  const begun = (text: string): CodeItem => ({ ...item, begun: `Here:\n\`\`\`python\n${text}` });
  expect(completionOf(begun(item.prompt), "    return x + y\n```\nDone.")).toBe("    return x + y");
  expect(completionOf(begun(""), "def add(x, y):\n    return x + y\n```")).toBe(
    "    pass\n\ndef add(x, y):\n    return x + y",
  );
});
