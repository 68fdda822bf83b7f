/** Spans of columns set to zero, against the reference: at marked rows, of experts, in several panels. */
import { beforeAll, expect, test } from "vitest";
import { seededRandom } from "../../test/random.ts";
import type { Device } from "../device/device.ts";
import { sharedDevice } from "../../test/shared_device.ts";
import { ablate, ablateReference, type Span, spanWords } from "./ablate.ts";
import { packPanels, panelBytes, unpackPanels } from "./panels.ts";

let device: Device;
beforeAll(async () => {
  device = await sharedDevice();
});

const upload = (values: Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>) => {
  const buffer = device.allocate(Math.max(16, values.byteLength), "test numbers");
  device.write(buffer, 0, values);
  return buffer;
};

const span = (firstRow: number, rows: number, firstColumn: number, columns: number, expert = 0): Span => ({
  firstRow,
  rows,
  firstColumn,
  columns,
  expert,
});

test.each([1, 2])("%d rows for each token", async (rowsPerToken) => {
  const random = seededRandom(rowsPerToken);
  const [tokens, columns] = [48, 22];
  const rows = tokens * rowsPerToken;
  const values = random.normals(rows * columns).map((value) => value + 9);
  const marked = Uint32Array.from({ length: tokens }, () => random.integer(0, 1));
  const experts = Uint32Array.from({ length: rows }, () => random.integer(0, 2));
  // The first is another block's: `start` leaves it out. Two overlap but for their expert.
  const spans = [
    span(0, 48, 0, 22),
    span(0, 17, 5, 9),
    span(16, 20, 21, 1, 1),
    span(16, 20, 0, 7, 2),
    span(20, 9, 3, 6, 1),
  ];
  const chosen = rowsPerToken > 1 ? { experts: upload(experts), rowsPerToken } : undefined;
  const x = upload(packPanels(values, rows, columns));
  ablate(device, {
    spans: upload(spanWords(spans)),
    start: 1,
    count: 4,
    marked: upload(marked),
    x,
    columns,
    chosen,
  });
  const found = unpackPanels(new Float32Array(await device.read(x, 0, panelBytes(rows, columns))), rows, columns);
  const expected = ablateReference(values, columns, spans.slice(1), marked, chosen && { experts, rowsPerToken });
  expect(Array.from(found)).toEqual(expected);
  expect(expected.filter((value) => value === 0).length).toBeGreaterThan(20);
});
