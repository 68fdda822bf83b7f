/** `npm run glossary` writes docs/glossary.md; a test checks that it is up to date. */
import { writeFileSync } from "node:fs";
import { CHAPTERS, type Entry } from "./glossary.ts";

/** The page of the documentation, before it is formatted. */
export function glossaryPage(): string {
  const chapters = CHAPTERS.map(({ title, entries }) => {
    const lines = Object.values<Entry>(entries).map(({ name, meaning, page }) =>
      `**${name}.** ${meaning}${page === undefined ? "" : ` ([${page}](${page}))`}`
    );
    return `## ${title}\n\n${lines.join("\n\n")}\n`;
  });
  return "# Glossary\n\nThe words of the page, its files and these documents. On the page each shows its meaning when one " +
    "points at it, reaches it with Tab, or taps it; all of them stand there under Glossary. This file is made of " +
    `\`figures/glossary.ts\` by \`npm run glossary\`.\n\n${chapters.join("\n")}`;
}

if (import.meta.main) writeFileSync(new URL("../docs/glossary.md", import.meta.url), glossaryPage());
