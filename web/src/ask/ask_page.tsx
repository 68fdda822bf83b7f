/** @jsxImportSource preact */
/** Ask: type a prompt, choose the wrong word, see why. */
import { useEffect, useState } from "preact/hooks";
import { request } from "../shell/client.ts";
import { Trouble, Waiting } from "../shell/notice.tsx";
import { type AskRoute, formatRoute, RUN } from "../shell/route.ts";
import { useLoad } from "../shell/use_load.ts";
import { go } from "../shell/use_route.ts";
import { Alternatives, type Choice } from "./alternatives.tsx";
import { AnswerFlow } from "./answer_flow.tsx";
import { type AskedQuestion, AskForm } from "./ask_form.tsx";
import { commonStart } from "./compare_answers.ts";
import { type AskJob, EXPLAIN, GENERATE, READ_ASK_MODELS } from "./documents.ts";
import { ExplainedCase, type Question } from "./explained_case.tsx";
import { useAnswer } from "./use_answer.ts";

export function AskPage({ route }: { readonly route: AskRoute }) {
  const models = useLoad("ask models", (signal) => request(READ_ASK_MODELS, {}, signal));
  const names = models.data?.models.nodes.map(({ name }) => name) ?? [];
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<string>();
  const [question, setQuestion] = useState<Question>();
  const answer = useAnswer(route.job === "" ? null : route.job);
  const beside = useAnswer(route.beside === "" ? null : route.beside);
  useEffect(() => {
    document.title = "Ask · Culprit";
  }, []);

  const attempt = async (work: () => Promise<void>) => {
    setBusy(true);
    setTrouble(undefined);
    try {
      await work();
    } catch (error) {
      setTrouble((error as Error).message);
    }
    setBusy(false);
  };
  const ask = (asked: AskedQuestion) =>
    attempt(async () => {
      const first = await generate(asked, asked.model);
      // The last answer stays beside the new one, unless another model is asked the same.
      const other = asked.second === "" ? route.job : await generate(asked, asked.second);
      setQuestion(undefined);
      go({ page: "ask", job: first, beside: other, at: null });
    });
  const choose = (position: number) => {
    setQuestion(undefined);
    go({ ...route, at: position }, "replace");
  };
  const explain = (position: number, choice: Choice) =>
    attempt(async () => {
      const at = { job: route.job, position };
      const { explain } = await request(EXPLAIN, { input: { at, contrast: choice } });
      if (explain.__typename === "InputError") throw new Error(explain.problem);
      const { failureCase, job, note } = explain;
      setQuestion({
        caseId: failureCase.id,
        explainJob: job.id,
        note,
        at,
        contrastId: "id" in choice ? choice.id : undefined,
      });
    });

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
        ? (
          <p>
            There is no model yet: <a href={formatRoute(RUN)}>add one</a>.
          </p>
        )
        : <AskForm models={names} busy={busy} onAsk={ask} />}
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

/** Asks one model; gives the job's id. */
async function generate({ kind, text, system, maxTokens }: AskedQuestion, model: string): Promise<string> {
  const asked = kind === "prompt" ? { prompt: text } : { chat: text, ...(system === "" ? {} : { system }) };
  const { generate } = await request(GENERATE, { input: { model, ...asked, maxTokens } });
  if (generate.__typename === "InputError") throw new Error(generate.problem);
  return generate.id;
}

function AnswerBox(props: {
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
