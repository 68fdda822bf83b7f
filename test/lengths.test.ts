/** Functions stay short enough to be read at a sitting: none has more than 100 lines, the aim is 70. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname!, "..");
const FOLDERS = ["gpu", "schema", "server", "web/src", "test", "docs/examples"];
const MOST_LINES = 100;
/** Longer ones that wait to be split, and their lines: the list may shrink, not grow. */
const TOO_LONG: Readonly<Record<string, number>> = {
  "web/src/ask/ask_form.tsx AskForm": 101,
};

/** Functions of a text that have more than `most` lines, by what they are called; suites of tests are lists, and none. */
function longFunctions(path: string, text: string, most: number): Record<string, number> {
  const found: Record<string, number> = {};
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const lineAt = (offset: number): number => source.getLineAndCharacterOfPosition(offset).line;
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && "body" in node && node.body && !isSuite(node)) {
      const lines = lineAt(node.end) - lineAt(node.getStart()) + 1;
      if (lines > most) found[`${path} ${nameOf(node)}`] = lines;
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function isSuite({ parent }: ts.Node): boolean {
  return ts.isCallExpression(parent) && /^describe\b/.test(parent.expression.getText());
}

/** The name of a function, or of what it is assigned to or given to. */
function nameOf(node: ts.SignatureDeclaration): string {
  if (node.name) return node.name.getText();
  const { parent } = node;
  if (ts.isVariableDeclaration(parent) || ts.isPropertyAssignment(parent)) return parent.name.getText();
  return ts.isCallExpression(parent) ? parent.expression.getText() : "without a name";
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
  const grown = Object.entries(found).filter(([name, lines]) => lines > (TOO_LONG[name] ?? MOST_LINES));
  expect(grown).toEqual([]);
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
