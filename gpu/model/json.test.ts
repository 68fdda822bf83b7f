import { describe, expect, test } from "vitest";
import { parseJson } from "./json.ts";

describe("broken JSON is named by its line", () => {
  test.each([
    ["a bare word", '{\n"a": word\n}', 'f.json:2: is not valid JSON: unexpected "w"; correct'],
    ["a trailing comma", "[1,\n2,\n]", 'f.json:3: is not valid JSON: unexpected "]"; correct'],
    ["a trailing comma in an object", '{"a":1,}', 'f.json:1: is not valid JSON: unexpected "}"; correct'],
    ["a missing colon", '{"a"\n1}', 'f.json:2: is not valid JSON: unexpected "1"; correct'],
    ["a missing comma", '["a"\n\n"b"]', 'f.json:3: is not valid JSON: unexpected "\\""; correct'],
    ["an open list", "[[1], 2\n", "f.json:2: is not valid JSON: it ends too early; correct"],
    ["an open text", '{"a":\n"b}', 'f.json:2: is not valid JSON: unexpected "\\""; correct'],
    ["two values", "{}\n{}", 'f.json:2: is not valid JSON: unexpected "{"; correct'],
    ["the wrong bracket", "[1}", 'f.json:1: is not valid JSON: unexpected "}"; correct'],
    ["nothing", "", "f.json:1: is not valid JSON: it ends too early; correct"],
    ["a character of two units", "\u{1f600}", 'f.json:1: is not valid JSON: unexpected "\u{1f600}"; correct'],
    ["great depth", "[".repeat(200_000), "f.json:1: is not valid JSON: it ends too early; correct"],
  ])("%s", (_, text, message) => {
    expect(() => parseJson(text, "f.json")).toThrow(message);
  });

  test("a string longer than a pattern's stack, and one of escapes that never ends", () => {
    const long = `"${"a\\n".repeat(5e6)}"`;
    expect(() => parseJson(`[${long}\n,x]`, "f.json")).toThrow('f.json:2: is not valid JSON: unexpected "x"; correct');
    expect(() => parseJson(`[\n"${'\\"'.repeat(1e6)}`, "f.json")).toThrow(
      'f.json:2: is not valid JSON: unexpected "\\"',
    );
    expect(() => parseJson('["\\x"]', "f.json")).toThrow('f.json:1: is not valid JSON: unexpected "\\""; correct');
  });

  test("what is nested too deep for whoever walks through it is refused; as deep as that is read", () => {
    const lists = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
    expect(() => parseJson(lists(101), "f.json")).toThrow("f.json: is nested more than 100 deep; write it flatter");
    expect(JSON.stringify(parseJson(lists(100), "f.json"))).toBe(lists(100));
    expect(() => parseJson(`{"a":`.repeat(20_000) + "1" + "}".repeat(20_000), "f.json")).toThrow("more than 100 deep");
  });

  test("counted from the line where the text stood", () => {
    expect(() => parseJson("{", "<stdin>", 7)).toThrow("<stdin>:7: is not valid JSON: it ends too early");
  });
});
