import { expect, test } from "vitest";
import { ASK, caseRoute, CASES, formatRoute, parseRoute, readRoute, type Route, STUDIES, traceRoute } from "./route.ts";

const ROUTES: readonly Route[] = [
  ASK,
  { page: "ask", job: "Sm9iOmE=", beside: "Sm9iOmI=", at: 12 },
  CASES,
  {
    ...CASES,
    search: "what is 100%?",
    token: ' a&b=c #?"\n',
    benchmark: "ifeval",
    model: "demo-1m",
    list: "CPLRP",
    deltaFrom: -1.5,
    deltaTo: 0,
    order: "delta-down",
  },
  {
    ...CASES,
    list: "answers",
    verdict: "passed",
    disagrees: "yes",
    outcome: "M_IA",
    pattern: "URT_OIT",
    job: "Sm9iOmE=",
  },
  caseRoute("RmFpbHVyZUNhc2U6MQ=="),
  {
    ...caseRoute("a/b?c#d%"),
    pair: "VG9rZW5QYWlyOjI=",
    rule: "GRADIENT",
    layer: 36,
    values: "normalised",
    special: true,
    at: 0,
  },
  { ...caseRoute("7"), view: "compare", left: "QXR0OjE=", right: "QXR0OjI=" },
  {
    ...caseRoute("7"),
    view: "graph",
    heads: true,
    weight: 12,
    mass: 85,
    sink: false,
    term: "qk",
    head: 0,
    node: [3, 12_000],
  },
  { ...caseRoute("7"), view: "masking", replacement: "MEAN", scope: "ALL", masked: [12, 3, 40] },
  traceRoute("VG9rZW5QYWlyOjI="),
  {
    ...traceRoute("a/b?c#d%"),
    rule: "CPLRP",
    trace: "VHJhY2U6MQ==",
    part: 0,
    signed: true,
    least: 50,
    open: [3, 12],
    whole: [7],
    heat: "step",
    cut: [12, 40, 99],
  },
  STUDIES,
  { page: "studies", picks: [{ study: "a, b~c", x: "0.6B", y: "SFT 1100" }, { study: "ü%", x: "~", y: "," }] },
];

test.each(ROUTES)("a view is the same after a round trip through the address: %#", (route) => {
  expect(readRoute(formatRoute(route))).toEqual({ route, troubles: [] });
});

test("defaults leave the address short", () => {
  expect(formatRoute(CASES)).toBe("#/cases");
  expect(formatRoute(caseRoute("7"))).toBe("#/case/7");
  expect(formatRoute(STUDIES)).toBe("#/studies");
});

test("a switch, a slider, a node, a head, a masked token and a compared side each change the address", () => {
  const first = formatRoute(caseRoute("7"));
  const changes: readonly Partial<Parameters<typeof formatRoute>[0] & { page: "case" }>[] = [
    { special: true },
    { layer: 1 },
    { weight: 1 },
    { mass: 99 },
    { node: [0, 0] },
    { head: 0 },
    { masked: [0] },
    { left: "a" },
    { at: 0 },
  ];
  const written = changes.map((change) => formatRoute({ ...caseRoute("7"), ...change }));
  expect(new Set([first, ...written]).size).toBe(changes.length + 1);
});

test.each(["", "#", "#/", "#/nowhere", "#/cases?order=worst&list=maybe&from=abc&to=", "#/case/"])(
  "a broken address shows the case list: %j",
  (hash) => {
    expect(parseRoute(hash)).toEqual(CASES);
  },
);

test("broken values of a case fall back to the first view", () => {
  expect(parseRoute("#/case/7?layer=-3&rule=LIME&values=x&special=1&node=1.a&masked=3.3&head=none&weight=41"))
    .toEqual(caseRoute("7"));
  expect(parseRoute("#/case/%E0%A4%A")).toEqual(caseRoute("%E0%A4%A"));
});

test("each bad value is told in one line, with what is shown instead", () => {
  expect(readRoute("#/case/7?layer=-3&rule=LIME&pair=a&masked=3.3&colour=red").troubles).toEqual([
    'The address has "LIME" for "rule", which is none of its values; ATTNLRP is shown.',
    'The address has "-3" for "layer", which is none of its values; 0 is shown.',
    'The address has "3.3" for "masked", which is none of its values; it is left out.',
    'The address says "colour", which means nothing here.',
  ]);
  expect(readRoute("#/nowhere").troubles).toEqual(["The address names no place of this page; here are the cases."]);
  expect(readRoute(`#/studies?compare=${"x".repeat(99)}`).troubles).toEqual([
    `The address has "${"x".repeat(40)}…" for "compare", which is none of its values; it is left out.`,
  ]);
  expect(readRoute("#/cases").troubles).toEqual([]);
});
