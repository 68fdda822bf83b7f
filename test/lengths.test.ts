/** Functions stay short enough to be read at a sitting: none has more than 100 lines, the aim is 70. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname!, "..");
const FOLDERS = ["gpu", "schema", "figures", "server", "web/src", "test", "docs/examples"];
const MOST_LINES = 100;

/** Functions of a text that have more than `most` lines, by what they are called; suites of tests are lists, and none. */
function longFunctions(path: string, text: string, most: number): Record<string, number> {
  const found: Record<string, number> = {};
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest);
  const linesOf = (start: number, end: number): number =>
    source.getLineAndCharacterOfPosition(end).line - source.getLineAndCharacterOfPosition(start).line + 1;
  const visit = (node: ts.Node, parent: ts.Node): void => {
    // What is not that long holds no function that is.
    if (linesOf(node.pos, node.end) <= most) return;
    if (ts.isFunctionLike(node) && "body" in node && node.body && !isSuite(parent, source)) {
      const lines = linesOf(node.getStart(source), node.end);
      if (lines > most) found[`${path} ${nameOf(node, parent, source)}`] = lines;
    }
    ts.forEachChild(node, (child) => visit(child, node));
  };
  visit(source, source);
  return found;
}

function isSuite(parent: ts.Node, source: ts.SourceFile): boolean {
  return ts.isCallExpression(parent) && /^describe\b/.test(parent.expression.getText(source));
}

/** The name of a function, or of what it is assigned to or given to. */
function nameOf(node: ts.SignatureDeclaration, parent: ts.Node, source: ts.SourceFile): string {
  if (node.name) return node.name.getText(source);
  if (ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent)) return parent.name.getText(source);
  return ts.isCallExpression(parent) ? parent.expression.getText(source) : "without a name";
}

test(`no function has more than ${MOST_LINES} lines`, () => {
  const paths = FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => /\.(tsx?|mjs)$/.test(name) && !/\.d\.ts$|node_modules/.test(name))
      .map((name) => join(folder, name))
  );
  expect(paths.length).toBeGreaterThan(500);
  const found: Record<string, number> = {};
  for (const path of paths) {
    const text = readFileSync(join(ROOT, path), "utf8");
    // Of a file that is no longer, no function is.
    if (text.split("\n").length > MOST_LINES) Object.assign(found, longFunctions(path, text, MOST_LINES));
  }
  expect(found).toEqual({});
});

test("long functions are seen in every form, and suites are not", () => {
  const body = "{\n\n\n}";
  const text = `function one() ${body}
const two = () => ${body};
const three = { four() ${body}, five: () => ${body} };
class Six { constructor() ${body} get seven() ${body} }
call(() => ${body});
describe("suite", () => ${body});
describe.each([1])("suite", () => ${body});
const short = () => 1;
declare function none(): void;
`;
  const names = Object.entries(longFunctions("a.ts", text, 3));
  expect(names).toEqual(
    ["one", "two", "four", "five", "constructor", "seven", "call"]
      .map((name) => [`a.ts ${name === "constructor" ? "without a name" : name}`, 4]),
  );
});
