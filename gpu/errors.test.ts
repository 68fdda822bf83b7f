import { expect, test } from "vitest";
import { InputError } from "./errors.ts";
test("an input error is one line of what, where and mend", () => {
  expect(new InputError("token id 9 is out of range", "ids.json", "use ids below 8").message).toBe(
    "ids.json: token id 9 is out of range; use ids below 8",
  );
});
