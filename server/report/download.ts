/** Reports over HTTP: `/report.html?model=&benchmark=&key=&selection=&study=&rule=&seed=`, and one case. */
import { eq } from "drizzle-orm";
import { UNITS } from "../../figures/units.ts";
import { InputError, type Rule, RULES } from "../../gpu/mod.ts";
import type { Database } from "../../schema/tables/database.ts";
import { failureCases } from "../../schema/tables/tables.ts";
import { checkModel, SELECTIONS } from "../jobs/pair_selection.ts";
import { casePage } from "./case_page.tsx";
import { reportPage } from "./page.tsx";
import { readCaseReport } from "./read_case_report.ts";
import { readReport, type ReportRequest } from "./read_report.ts";
import { pageResponse } from "./sheet.tsx";

/** Answers with the page, or with one line about what is wrong. */
export async function downloadReport(db: Database, url: URL): Promise<Response> {
  try {
    const request = requestOf(url.searchParams);
    await checkModel(db, request.selection.model, "model");
    return pageResponse(reportPage(await readReport(db, request)));
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return new Response(`${error.message}\n`, { status: 400 });
  }
}

/** Answers `/case.html?case=ID&pair=ID&rule=RULE&unit=UNIT` with one case as a page, or with one line about what is wrong. */
export async function downloadCase(db: Database, url: URL): Promise<Response> {
  try {
    const id = rowOf(url.searchParams.get("case"), "FailureCase", "case");
    if (id === null) throw new InputError("no case is named", "case", "give the id of a FailureCase");
    const pair = rowOf(url.searchParams.get("pair"), "TokenPair", "pair");
    const unit = oneOf(url.searchParams, "unit", UNITS);
    const report = await readCaseReport(db, eq(failureCases.id, id), pair, ruleOf(url.searchParams));
    return pageResponse(casePage(report, unit));
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return new Response(`${error.message}\n`, { status: 400 });
  }
}

/** The row that a global id of the API names; null where nothing is given. Throws InputError. */
function rowOf(given: string | null, type: string, where: string): number | null {
  if (given === null || given === "") return null;
  try {
    const row = new RegExp(`^${type}:(\\d{1,9})$`).exec(atob(given))?.[1];
    if (row !== undefined) return Number(row);
  } catch {
    // No base64: told below.
  }
  throw new InputError(`${JSON.stringify(given)} is no id of a ${type}`, where, "take it from the API or the page");
}

function ruleOf(given: URLSearchParams): Rule {
  const asked = given.get("rule")?.toLowerCase() || RULES[0];
  const rule = RULES.find((one) => one === asked);
  if (rule) return rule;
  throw new InputError(`${JSON.stringify(asked)} is not known`, "rule", `give one of: ${RULES.join(", ")}`);
}

/** One of the known values; the first where none is given. */
function oneOf<Name extends string>(given: URLSearchParams, name: string, known: readonly Name[]): Name {
  const asked = given.get(name) || known[0];
  const found = known.find((one) => one === asked);
  if (found) return found;
  throw new InputError(`${JSON.stringify(asked)} is not known`, name, `give one of: ${known.join(", ")}`);
}

function requestOf(given: URLSearchParams): ReportRequest {
  const text = (name: string) => given.get(name) || null;
  const seed = text("seed") ?? "1";
  if (!/^\d{1,9}$/.test(seed)) {
    throw new InputError(`${JSON.stringify(seed)} is no seed`, "seed", "give a whole number");
  }
  return {
    selection: {
      selection: oneOf(given, "selection", SELECTIONS),
      model: text("model"),
      benchmarks: text("benchmark")?.split(",") ?? null,
      key: text("key"),
      limit: null,
    },
    rule: oneOf(given, "rule", RULES),
    study: text("study") ?? undefined,
    seed: Number(seed),
  };
}
