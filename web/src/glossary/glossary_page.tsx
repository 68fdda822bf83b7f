/** @jsxImportSource preact */
/** All terms with their meanings, as they show where they are used. */
import { useEffect } from "preact/hooks";
import { CHAPTERS, type Entry } from "../../../figures/glossary.ts";

export function GlossaryPage() {
  useEffect(() => {
    document.title = "Glossary · Culprit";
  }, []);
  return (
    <div class="sheet glossary">
      <h1>Glossary</h1>
      <p class="quiet">
        What the words of this page mean. Dotted words say it where they stand: point at them, reach them with Tab, or
        tap them.
      </p>
      {CHAPTERS.map(({ title, entries }) => (
        <section key={title} aria-label={title}>
          <h2>{title}</h2>
          <dl>
            {Object.values<Entry>(entries).map(({ name, meaning, page }) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>
                  {meaning} {page === undefined ? null : <span class="quiet small">docs/{page}</span>}
                </dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </div>
  );
}
