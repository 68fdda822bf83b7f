/** @jsxImportSource preact */
/** Every answer, passed ones too, with what the log and our checker say of it. */
import { request } from "../shell/client.ts";
import { Empty, Trouble, Waiting } from "../shell/notice.tsx";
import { caseRoute, type CasesRoute, formatRoute } from "../shell/route.ts";
import { useLoad } from "../shell/use_load.ts";
import { type Answer, LIST_ANSWERS } from "./documents.ts";
import type { Found } from "./found.ts";
import { ListEnd } from "./list_end.tsx";
import { type ListPage, usePages } from "./use_pages.ts";

const PAGE = 40;

async function readAnswers(
  { benchmark, model, verdict, disagrees, order }: CasesRoute,
  after: string | null,
  signal?: AbortSignal,
): Promise<ListPage<Answer>> {
  const filter = {
    ...(benchmark === "" ? {} : { benchmark }),
    ...(model === "" ? {} : { model }),
    ...(verdict === "" ? {} : verdict === "undecided" ? { undecided: true } : { passed: verdict === "passed" }),
    ...(disagrees === "" ? {} : { disagrees: disagrees === "yes" }),
  };
  const orderBy = order === "key"
    ? { by: "KEY", direction: "ASC" } as const
    : { by: "CREATED", direction: order === "oldest" ? "ASC" : "DESC" } as const;
  const { responses } = await request(LIST_ANSWERS, { filter, orderBy, first: PAGE, after }, signal);
  return { lines: responses.nodes, total: { count: responses.totalCount, isAll: true }, info: responses.pageInfo };
}

const said = (passed: boolean | null | undefined) => passed == null ? "–" : passed ? "passed" : "failed";

function Row({ answer }: { readonly answer: Answer }) {
  const { key, model, verdict, passed, disagrees, failureCases: [failure] } = answer;
  return (
    <tr class={disagrees ? "disagrees" : ""}>
      <td class="case">
        {failure === undefined
          ? <span title={key}>{key}</span>
          : <a href={formatRoute(caseRoute(failure.id))} title={key}>{key}</a>}
        <span class="quiet small of-case">{model.name}</span>
      </td>
      <td class="answer-start">{answer.completionStart}</td>
      <td>
        <strong>{passed === null ? "undecided" : said(passed)}</strong>
        {verdict?.counts == null ? null : <span class="quiet small">{` by ${verdict.counts}`}</span>}
      </td>
      <td>{said(verdict?.logPassed)}</td>
      <td>{said(verdict?.checkerPassed)}</td>
      <td class="quiet small">{verdict?.reason ?? ""}</td>
    </tr>
  );
}

export function AnswerList({ route, shown }: { readonly route: CasesRoute; readonly shown: (total: Found) => void }) {
  const first = useLoad(`answers ${formatRoute(route)}`, async (signal) => {
    const page = await readAnswers(route, null, signal);
    shown(page.total);
    return page;
  });
  const list = usePages(first.data, (after) => readAnswers(route, after));
  if (first.error !== undefined) return <Trouble error={first.error} onRetry={first.reload} />;
  if (first.data === undefined) return <Waiting what="answers" />;
  if (first.data.total.count === 0) {
    return (
      <Empty title="No answer matches">
        <p class="quiet">Answers come from evaluation logs that are imported, and from models that are run here.</p>
      </Empty>
    );
  }
  return (
    <>
      <div class="scroll">
        <table class="table answer-table" aria-busy={first.loading}>
          <caption class="unseen">Answers</caption>
          <thead>
            <tr>
              <th scope="col">Answer</th>
              <th scope="col">It begins</th>
              <th scope="col">Counts as</th>
              <th scope="col">Log</th>
              <th scope="col">Checker</th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {list.pages.flat().map((answer) => <Row key={answer.id} answer={answer} />)}
          </tbody>
        </table>
      </div>
      <ListEnd list={list} total={first.data.total} />
    </>
  );
}
