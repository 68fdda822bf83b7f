import { expect, test } from "vitest";
import { eventParser } from "./event_stream.ts";

const STREAM =
  ':\n\nevent: next\ndata: {"data":{"a":1}}\n\n: ping\n\nevent: next\r\ndata: one\r\ndata: two\r\n\r\nevent: complete\ndata\n\n';
const EVENTS = [
  { type: "next", data: '{"data":{"a":1}}' },
  { type: "next", data: "one\ntwo" },
  { type: "complete", data: "" },
];

test("events are read, comments and pings are not events", () => {
  expect(eventParser()(STREAM)).toEqual(EVENTS);
});

test("chunks may end anywhere", () => {
  for (let size = 1; size < 12; size++) {
    const parse = eventParser();
    const events = [];
    for (let start = 0; start < STREAM.length; start += size) events.push(...parse(STREAM.slice(start, start + size)));
    expect(events, `chunks of ${size}`).toEqual(EVENTS);
  }
});

test("an unfinished event waits", () => {
  const parse = eventParser();
  expect(parse("event: next\ndata: x\n")).toEqual([]);
  expect(parse("\n")).toEqual([{ type: "next", data: "x" }]);
});
