/**
 * The law of imports: between rooms, inside rooms, and no circles, types too. An import may point down the lists below,
 * never up. Test files are bound by nothing, and nothing but tests may import them.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname!, "..");

/** Rooms, and what each may import of the others. */
const ROOMS: Readonly<Record<string, readonly RegExp[]>> = {
  gpu: [],
  schema: [],
  figures: [],
  server: [/^schema\//, /^gpu\/mod\.ts$/, /^figures\//],
  "web/src": [/^schema\/introspection\.d\.ts$/, /^figures\//],
};

/** What stands in a room, the lowest first. What shares a line does not import each other. */
const ORDER: Readonly<Record<string, readonly string[]>> = {
  gpu: [
    "errors.ts",
    "device",
    "model",
    "engine.ts",
    "kernels",
    "pass",
    "generation explanation",
    "planning",
    "loaded_model.ts",
    "doctor",
    "open_engine.ts",
    "mod.ts",
  ],
  schema: ["tables", "services", "types", "schema.ts", "print.ts"],
  figures: [
    "glossary.ts",
    "colour.ts number_text.ts token_text.ts text_width.ts table.ts ranking_names.ts selection_words.ts print_glossary.ts " +
    "strongest.ts units.ts",
    "folds.ts",
    "style.ts",
    "picture.tsx",
    "plane.tsx trace_arc.tsx",
    "curves.tsx heat_picture.tsx interval_line.tsx reduced_graph.tsx scatter.tsx segment_bars.tsx trace.tsx",
    "heat_text.tsx markup.tsx",
  ],
  server: [
    "deno_binary.mjs",
    "parent_watch.mjs",
    "base",
    "database",
    "checkers",
    "models marks",
    "cases",
    "jobs",
    "benchmarks",
    "attributions",
    "graphs",
    "masking",
    "ablation diagnosis",
    "search ask",
    "import fetching",
    "traces",
    "studies",
    "preferences",
    "marking",
    "planning reading",
    "backup",
    "report",
    "worker",
    "mcp",
    "http",
    "worker.ts",
    "serve.ts",
    "demo.ts",
    "cli",
    "cli.ts",
    "paper",
    "reproduction wild loop",
    "start.mjs launch.mjs dev.mjs pack.mjs",
  ],
  "web/src": [
    "shell",
    "jobs",
    "heat",
    "graph masking",
    "cases",
    "case",
    "studies run ask glossary trace",
    "page.tsx",
    "main.tsx",
  ],
};

/** Not part of the project: the interpreter's own folder, which its process is told. */
const OUTSIDE = ["server/checkers/code/interpreter.ts"];

interface Import {
  readonly from: string;
  readonly to: string;
}

const isTest = (path: string): boolean => /\.test\.tsx?$/.test(path);

/** Specifiers of a text: of imports, exports, dynamic imports and references. */
function specifiersOf(text: string): string[] {
  const bare = text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/(?!\/ <reference).*$/gm, "");
  return [...bare.matchAll(/(?:\bfrom|\bimport|\bimport\s*\()\s*(["'`])([^"'`]+)\1/g)].map((match) => match[2]!);
}

/** What the file at `path` imports of this project. */
function importsIn(path: string, text: string): Import[] {
  return specifiersOf(text).filter((specifier) => specifier.startsWith("."))
    .map((specifier) => ({ from: path, to: normalize(join(dirname(path), specifier)) }));
}

const roomOf = (path: string): string | undefined => Object.keys(ROOMS).find((room) => path.startsWith(`${room}/`));
const placeOf = (path: string, room: string): string => path.slice(room.length + 1).split("/")[0]!;

/** What is wrong with an import; undefined when it may be. */
function wrong({ from, to }: Import): string | undefined {
  const room = roomOf(from);
  if (room === undefined || isTest(from)) return undefined;
  if (isTest(to)) return "nothing but tests imports tests";
  if (!to.startsWith(`${room}/`)) {
    return ROOMS[room]!.some((may) => may.test(to)) ? undefined : `${room}/ may not import this`;
  }
  const [own, other] = [placeOf(from, room), placeOf(to, room)];
  if (own === other) return undefined;
  const rank = (place: string): number => ORDER[room]!.findIndex((line) => line.split(" ").includes(place));
  for (const place of [own, other]) {
    if (rank(place) < 0) return `${room}/${place} has no place in the order of test/imports.test.ts`;
  }
  return rank(other) < rank(own) ? undefined : `${room}/${own} stands below ${room}/${other}, or beside it`;
}

/** Files that reach themselves, as circles; each file stands in one of them at most. */
function circles(imports: readonly Import[]): string[][] {
  const next = Map.groupBy(imports, ({ from }) => from);
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (path: string): void => {
    index.set(path, index.size);
    low.set(path, index.get(path)!);
    stack.push(path);
    for (const { to } of next.get(path) ?? []) {
      if (!index.has(to)) visit(to);
      if (stack.includes(to)) low.set(path, Math.min(low.get(path)!, low.get(to)!));
    }
    if (low.get(path) !== index.get(path)) return;
    const circle = stack.splice(stack.indexOf(path));
    if (circle.length > 1) found.push(circle);
  };
  for (const path of next.keys()) if (!index.has(path)) visit(path);
  return found;
}

const files = Object.keys(ROOMS).flatMap((room) =>
  readdirSync(join(ROOT, room), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(tsx?|mjs)$/.test(name)).map((name) => join(room, name))
);
const imports = files.flatMap((path) => importsIn(path, readFileSync(join(ROOT, path), "utf8")));

test("every import points down", () => {
  expect(files.length).toBeGreaterThan(300);
  expect(
    imports.flatMap((one) => {
      const why = wrong(one);
      return why === undefined ? [] : [`${one.from} imports ${one.to}: ${why}`];
    }),
  ).toEqual([]);
});

test("no circles, types too", () => {
  expect(circles(imports.filter(({ from }) => !isTest(from)))).toEqual([]);
});

test("imports are written out, so that this test sees them", () => {
  const hidden = files.filter((path) => /\bimport\(\s*[^"'\s]/.test(readFileSync(join(ROOT, path), "utf8")));
  expect(hidden).toEqual(OUTSIDE);
  for (const { from, to } of imports) expect(existsSync(join(ROOT, to)), `${from} imports ${to}`).toBe(true);
});

describe("a wrong import is seen", () => {
  test.each([
    ["of another room", "gpu/pass/pass.ts", 'import { jobs } from "../../schema/tables/tables.ts";'],
    ["of the engine past its door", "server/jobs/jobs.ts", 'import { openDevice } from "../../gpu/device/dawn.ts";'],
    ["of a type", "schema/types/job.ts", 'import type { Consumer } from "../../server/jobs/consumer.ts";'],
    ["that is asked for late", "server/base/home.ts", 'const { main } = await import("../cli.ts");'],
    ["that is passed on", "server/database/database.ts", 'export * from "../jobs/jobs.ts";'],
    ["up inside of the engine", "gpu/kernels/norm.ts", 'import { forward } from "../pass/pass.ts";'],
    ["up inside of the page", "web/src/shell/route.ts", 'import "../case/case_view.tsx";'],
    [
      "of the server by the page",
      "web/src/shell/client.ts",
      'import { SCOPES } from "../../../server/base/tokens.ts";',
    ],
    ["of the page by a figure", "figures/picture.tsx", 'import { go } from "../web/src/shell/use_route.ts";'],
    ["of a test", "server/search/search.ts", 'import { scripted } from "./search.test.ts";'],
    ["of a folder without a place", "server/new_room/one.ts", 'import { ROOT } from "../base/settings.ts";'],
  ])("%s", (_what, path, text) => {
    expect(importsIn(path, text).map(wrong)).toEqual([expect.any(String)]);
  });

  test("and a right one is not", () => {
    const text = 'import { ROOT } from "../base/settings.ts";\nimport type { Rule } from "../../gpu/mod.ts";';
    expect(importsIn("server/jobs/jobs.ts", text).map(wrong)).toEqual([undefined, undefined]);
  });

  test("circles of two and of three", () => {
    const line = (from: string, to: string): Import => ({ from, to });
    expect(circles([line("a", "b"), line("b", "a"), line("b", "c")])).toEqual([["a", "b"]]);
    expect(circles([line("a", "b"), line("b", "c"), line("c", "a")])).toEqual([["a", "b", "c"]]);
    expect(circles([line("a", "b"), line("b", "c"), line("a", "c")])).toEqual([]);
  });
});
