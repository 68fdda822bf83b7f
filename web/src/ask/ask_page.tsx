/** @jsxImportSource preact */
/** Ask: type a prompt, choose the wrong word, see why. */
import { useEffect, useState } from "preact/hooks";
import { request } from "../shell/client.ts";
import { Trouble, Waiting } from "../shell/notice.tsx";
import type { AskRoute } from "../shell/route.ts";
import { useLoad } from "../shell/use_load.ts";
import { go } from "../shell/use_route.ts";
import { Alternatives } from "./alternatives.tsx";
import { AnswerBox } from "./answer_box.tsx";
import { AskForm } from "./ask_form.tsx";
import { commonStart } from "./compare_answers.ts";
import { READ_ASK_MODELS } from "./documents.ts";
import { ExplainedCase } from "./explained_case.tsx";
import { OtherModel } from "./other_model.tsx";
import { useAnswer } from "./use_answer.ts";
import { useAsking } from "./use_asking.ts";

export function AskPage({ route }: { readonly route: AskRoute }) {
  const models = useLoad("ask models", (signal) => request(READ_ASK_MODELS, {}, signal));
  const names = models.data?.models.nodes.map(({ name }) => name) ?? [];
  const [latest, setLatest] = useState<string>();
  const { busy, trouble, question, ask, choose, explain } = useAsking(route);
  const answer = useAnswer(route.job === "" ? null : route.job);
  const beside = useAnswer(route.beside === "" ? null : route.beside);
  useEffect(() => {
    document.title = "Ask · Culprit";
  }, []);

  const tokens = answer.job?.generation?.tokens ?? [];
  const others = beside.job?.generation?.tokens ?? [];
  const alike = answer.job?.status === "COMPLETED" && beside.job?.status === "COMPLETED"
    ? commonStart(tokens, others)
    : undefined;
  const chosen = route.at === null ? undefined : tokens[route.at];
  return (
    <div class="sheet ask">
      <h1>Ask</h1>
      <p class="quiet">
        Type a prompt. Then choose the token that is wrong, and what the model should have said there: you see which
        words made the difference.
      </p>
      {models.error === undefined ? null : <Trouble error={models.error} onRetry={models.reload} />}
      {models.data === undefined
        ? models.error === undefined ? <Waiting what="models" /> : null
        : names.length === 0
        ? <p>There is no model yet: add one below.</p>
        : <AskForm models={names} latest={latest} busy={busy} onAsk={ask} />}
      <OtherModel
        open={names.length === 0 && models.data !== undefined}
        onAdded={(name) => {
          setLatest(name);
          models.reload();
        }}
      />
      {trouble === undefined ? null : <p role="alert">{trouble}</p>}
      {route.job === "" ? null : (
        <div class={route.beside === "" ? "" : "answers"}>
          <AnswerBox
            title="Answer"
            job={answer.job}
            trouble={answer.trouble}
            differsFrom={alike}
            chosen={route.at}
            onChoose={choose}
          />
          {route.beside === "" ? null : (
            <AnswerBox
              title={beside.job?.about === answer.job?.about ? "The answer before" : "The other model"}
              job={beside.job}
              trouble={beside.trouble}
              differsFrom={alike}
              chosen={null}
              onChoose={(position) => go({ page: "ask", job: route.beside, beside: route.job, at: position })}
            />
          )}
        </div>
      )}
      {chosen === undefined || answer.job?.status !== "COMPLETED" ? null : (
        <Alternatives
          key={`${route.job} ${chosen.position}`}
          token={chosen}
          busy={busy}
          onChoose={(choice) => explain(chosen.position, choice)}
        />
      )}
      {question === undefined ? null : <ExplainedCase key={question.explainJob} question={question} />}
    </div>
  );
}
