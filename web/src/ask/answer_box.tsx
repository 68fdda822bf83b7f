/** @jsxImportSource preact */
/** An answer with what is known of it; its tokens can be chosen once it is whole. */
import { Waiting } from "../shell/notice.tsx";
import { AnswerFlow } from "./answer_flow.tsx";
import type { AnswerToken, AskJob } from "./documents.ts";
import { ThoughtFold } from "./thought_fold.tsx";

export function AnswerBox(props: {
  readonly title: string;
  readonly job: AskJob | undefined;
  readonly trouble: string | undefined;
  readonly differsFrom: number | undefined;
  readonly chosen: number | null;
  readonly onChoose: (position: number) => void;
}) {
  const { title, job, trouble, differsFrom, chosen, onChoose } = props;
  const generation = job?.generation ?? undefined;
  const failed = trouble ?? job?.error?.message;
  const whole = job?.status === "COMPLETED";
  const thoughtTokens = generation?.thought?.tokens ?? 0;
  const flow = (label: string, tokens: readonly AnswerToken[]) => (
    <AnswerFlow
      label={label}
      tokens={tokens}
      differsFrom={differsFrom}
      chosen={chosen}
      onChoose={whole ? onChoose : undefined}
    />
  );
  const end = generation?.stop === "LENGTH" ? ", stopped at the limit" : "";
  return (
    <section class="answer" aria-label={title} aria-busy={!whole && failed === undefined}>
      <h2>{title}</h2>
      {failed === undefined ? null : <p role="alert">{failed}</p>}
      {generation === undefined ? failed === undefined ? <Waiting what="the answer" /> : null : (
        <>
          <ThoughtFold
            thought={generation.thought ?? undefined}
            // Until the answer begins there is nothing else to read; and what was chosen is not hidden.
            open={generation.tokens.length === thoughtTokens || chosen !== null && chosen < thoughtTokens}
          >
            {() => flow("Thought", generation.tokens.slice(0, thoughtTokens))}
          </ThoughtFold>
          {flow(title, generation.tokens.slice(thoughtTokens))}
          <p class="quiet small">
            {job?.about}: {generation.tokens.length} tokens{end}
            {whole ? generation.tokens.length === 0 ? "" : "; choose the one that is wrong" : ", being written"}
            {whole && differsFrom !== undefined ? `; the first ${differsFrom} are the same in both` : ""}
          </p>
        </>
      )}
    </section>
  );
}
