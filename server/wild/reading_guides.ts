/** What blind readers are told, beside the cases. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "../base/settings.ts";

const ALONE =
  `You read failures of a language model. Work alone: look at this folder's GUIDE.md, cases.md and form.jsonl only, not at
what a program says of these cases, nor at another reader's answers. Fill in a copy of form.jsonl: every case keeps its
line, in the order of the cases.
`;

/** Definitions of outcome and pattern, as docs/labelling.md has them. */
export async function labelGuide(): Promise<string> {
  return `${ALONE}\n${await readFile(join(ROOT, "docs", "labelling.md"), "utf8")}`;
}

/** Which sentences of the prompt the right token needs. */
export const SENTENCE_GUIDE: string = `${ALONE}
# Which sentences of the prompt does the right step need?

Each case has a prompt cut into numbered sentences, the answer up to a place, the token that the model wrote there
(wrong: the answer fails the benchmark's check) and another token (right: the answer that follows from it passes).

\`phrases\` are the sentences, word for word, that a careful person has to use **to choose the right token at this place,
rather than the wrong one**: those that hold the facts, numbers, conditions or demands which decide between the two ways.

- Take as few as decide it, as many as are needed. A sentence that only sets the scene, or that both ways use alike, is
  not needed.
- Judge by the step that differs, not by the whole problem. Where the two ways differ only in wording at this place, ask
  what the right way goes on to do that the wrong one does not, and which sentences that needs.
- The sentence that asks the question counts when the wrong way misses what is asked for; the sentence about the form of
  the answer counts when the form is what it misses.
- In code a sentence may be a line of the docstring, a signature, or an example.
- Nothing decides it? Then leave the list empty, and say so in the note.
`;
