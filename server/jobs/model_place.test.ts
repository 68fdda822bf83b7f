import { expect, test } from "vitest";
import { hubReference } from "./model_place.ts";

const COMMIT = "0123456789".repeat(4);

test.each([
  ["a snapshot says its commit", "mine", `/x/hub/models--org--a-b/snapshots/${COMMIT}`, `org/a-b@${COMMIT}`],
  ["and its file", "mine", `/x/models--o--m/snapshots/${COMMIT}/q/m.gguf`, `o/m@${COMMIT}:q/m.gguf`],
  ["Windows has other slashes", "mine", `C:\\hub\\models--o--m\\snapshots\\${COMMIT}\\m.gguf`, `o/m@${COMMIT}:m.gguf`],
  ["else the name does", "org/name@main", "/home/me/models/name", "org/name@main"],
  ["a folder's name is none", "demo-1m", "models/demo-1m", null],
  ["merged adapters are on no hub", "org/name", `/x/models--o--m/snapshots/${COMMIT} --lora /x/adapter`, null],
  ["a name that no hub has", "org/a--b", "/models/x", null],
])("what a model is fetched by: %s", (_what, name, directory, reference) => {
  expect(hubReference({ name, directory })).toBe(reference);
});
