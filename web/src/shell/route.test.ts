import { expect, test } from "vitest";
import { ASK, caseRoute, CASES, formatRoute, parseRoute, type Route } from "./route.ts";

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
    outcome: "M_IA",
    pattern: "URT_OIT",
    verdict: "undecided",
    disagrees: "no",
    job: "Sm9iOmE=",
    deltaFrom: -1.5,
    deltaTo: 0,
    order: "delta-down",
  },
  caseRoute("RmFpbHVyZUNhc2U6MQ=="),
  {
    ...caseRoute("a/b?c#d%"),
    pair: "VG9rZW5QYWlyOjI=",
    rule: "GRADIENT",
    view: "compare",
    left: "QXR0cmlidXRpb246MQ==",
    right: "QXR0cmlidXRpb246Mg==",
    layer: 36,
    values: "normalised",
    special: true,
  },
];

test.each(ROUTES)("a view is the same after a round trip through the address: %#", (route) => {
  expect(parseRoute(formatRoute(route))).toEqual(route);
});

test("defaults leave the address short", () => {
  expect(formatRoute(CASES)).toBe("#/cases");
  expect(formatRoute(caseRoute("7"))).toBe("#/case/7");
});

test.each(["", "#", "#/", "#/nowhere", "#/cases?order=worst&list=maybe&from=abc&to=", "#/case/"])(
  "a broken address shows the case list: %j",
  (hash) => {
    expect(parseRoute(hash)).toEqual(CASES);
  },
);

test("broken values of a case fall back to the first view", () => {
  expect(parseRoute("#/case/7?layer=-3&rule=LIME&values=x&special=1")).toEqual(caseRoute("7"));
  expect(parseRoute("#/case/%E0%A4%A")).toEqual(caseRoute("%E0%A4%A"));
});
