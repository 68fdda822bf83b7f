/** What is asked on the page: answers of models, and why a token of one is not another. */
import { useState } from "preact/hooks";
import { request } from "../shell/client.ts";
import type { AskRoute } from "../shell/route.ts";
import { go } from "../shell/use_route.ts";
import type { Choice } from "./alternatives.tsx";
import type { AskedQuestion } from "./ask_form.tsx";
import { EXPLAIN, GENERATE } from "./documents.ts";
import type { Question } from "./explained_case.tsx";

export interface Asking {
  /** Something is on its way to the server. */
  readonly busy: boolean;
  readonly trouble: string | undefined;
  /** What is explained; undefined before an alternative was chosen. */
  readonly question: Question | undefined;
  readonly ask: (asked: AskedQuestion) => void;
  /** Looks at a token of the answer. */
  readonly choose: (position: number) => void;
  readonly explain: (position: number, choice: Choice) => void;
}

export function useAsking(route: AskRoute): Asking {
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<string>();
  const [question, setQuestion] = useState<Question>();
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
  return {
    busy,
    trouble,
    question,
    ask: (asked) =>
      void attempt(async () => {
        const first = await generate(asked, asked.model);
        // The last answer stays beside the new one, unless another model is asked the same.
        const other = asked.second === "" ? route.job : await generate(asked, asked.second);
        setQuestion(undefined);
        go({ page: "ask", job: first, beside: other, at: null });
      }),
    choose: (position) => {
      setQuestion(undefined);
      go({ ...route, at: position }, "replace");
    },
    explain: (position, choice) =>
      void attempt(async () => {
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
      }),
  };
}

/** Asks one model; gives the job's id. */
async function generate(question: AskedQuestion, model: string): Promise<string> {
  const { kind, text, system, maxTokens, thinkingTokens } = question;
  const asked = kind === "prompt" ? { prompt: text } : {
    chat: text,
    ...(system === "" ? {} : { system }),
    ...(thinkingTokens === 0 ? {} : { thinkingTokens }),
  };
  const { generate } = await request(GENERATE, { input: { model, ...asked, maxTokens } });
  if (generate.__typename === "InputError") throw new Error(generate.problem);
  return generate.id;
}
