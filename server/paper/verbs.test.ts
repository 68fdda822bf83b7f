import { expect, test } from "vitest";
import { runVerb, VerbFailure } from "./verbs.ts";

test("what a verb says when it fails is told in its words, with its exit code and which verb it was", async () => {
  const notes: string[] = [];
  const failure = await runVerb(["inspect", "/no/such/model"], (text) => void notes.push(text)).catch((error) => error);
  expect(failure).toBeInstanceOf(VerbFailure);
  expect(failure.code).toBe(2);
  expect(failure.message).toMatch(/^\/no\/such\/model: .+; .+$/);
  expect(notes).toEqual(["culprit inspect /no/such/model\n"]);
});
