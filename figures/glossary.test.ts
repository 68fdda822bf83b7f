import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Entry, entryOf, GLOSSARY } from "./glossary.ts";
import { glossaryPage } from "./print_glossary.ts";

const DOCS = join(import.meta.dirname!, "..", "docs");
const words = (text: string) => text.split(/\s+/);

test("docs/glossary.md says what the page says; npm run glossary writes it", () => {
  expect(words(readFileSync(join(DOCS, "glossary.md"), "utf8"))).toEqual(words(glossaryPage()));
});

test("each term has a name of its own, a meaning that ends, and a page that is there", () => {
  const entries = Object.values<Entry>(GLOSSARY);
  expect(new Set(entries.map(({ name }) => name)).size).toBe(entries.length);
  for (const { name, meaning, page } of entries) {
    expect(meaning, name).toMatch(/^[A-Z].*\.$/);
    expect(meaning.length, `${name} is for a glance`).toBeLessThanOrEqual(230);
    if (page !== undefined) expect(existsSync(join(DOCS, page)), `${name}: ${page}`).toBe(true);
  }
});

test("only terms are terms", () => {
  expect(entryOf("delta")?.name).toBe("Delta");
  for (const text of ["", "Delta", "constructor", null, undefined]) expect(entryOf(text)).toBeUndefined();
});
