/** @jsxImportSource preact */
/** An answer with what is known of it; its tokens can be chosen once it is whole. */
import { Waiting } from "../shell/notice.tsx";
import { AnswerFlow } from "./answer_flow.tsx";
import type { AskJob } from "./documents.ts";

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
  const end = generation?.stop === "LENGTH" ? ", stopped at the limit" : "";
  return (
    <section class="answer" aria-label={title} aria-busy={!whole && failed === undefined}>
      <h2>{title}</h2>
      {failed === undefined ? null : <p role="alert">{failed}</p>}
      {generation === undefined ? failed === undefined ? <Waiting what="the answer" /> : null : (
        <>
          <AnswerFlow
            label={title}
            tokens={generation.tokens}
            differsFrom={differsFrom}
            chosen={chosen}
            onChoose={whole ? onChoose : undefined}
          />
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
