/** @jsxImportSource preact */
/** Said of a case whose model is nowhere: what is shown was computed before, and how the model comes here. */
import { bringLine, useAbsentModel } from "./page_model.ts";

/** A reference with a commit as people write it. */
const shortOf = (hub: string): string => hub.replace(/@([0-9a-f]{8})[0-9a-f]{32}/, "@$1");

export function AbsentModel() {
  const model = useAbsentModel();
  if (model === undefined) return null;
  const { name, place: { hub } } = model;
  return (
    <p class="absent-model" role="note">
      The files of <strong>{name}</strong> are not here: what is shown was computed before. {hub === null
        ? `To compute more, ${bringLine(model)}`
        : `Whatever is computed now fetches ${shortOf(hub)} from the hub first.`}
    </p>
  );
}
