import { buildSchema, parse, validate } from "graphql";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { isFragment, textOf } from "./src/shell/graphql.ts";
import * as askOperations from "./src/ask/documents.ts";
import * as caseOperations from "./src/heat/documents.ts";
import * as casesOperations from "./src/cases/documents.ts";
import * as diagnosisOperations from "./src/case/documents.ts";
import * as jobOperations from "./src/jobs/documents.ts";
import * as ablationOperations from "./src/masking/ablation_documents.ts";
import * as maskingOperations from "./src/masking/documents.ts";
import * as planOperations from "./src/jobs/plan_documents.ts";
import * as runOperations from "./src/run/documents.ts";
import * as studyOperations from "./src/studies/documents.ts";
import * as traceOperations from "./src/trace/documents.ts";

const schema = buildSchema(readFileSync(new URL("../schema/schema.graphql", import.meta.url), "utf8"));

const operations = Object.entries({
  ...askOperations,
  ...caseOperations,
  ...casesOperations,
  ...diagnosisOperations,
  ...jobOperations,
  ...ablationOperations,
  ...maskingOperations,
  ...planOperations,
  ...runOperations,
  ...studyOperations,
  ...traceOperations,
})
  .flatMap(([name, value]) =>
    typeof value === "object" && "document" in value && !isFragment(textOf(value))
      ? [[name, textOf(value)] as const]
      : []
  );

test.each(operations)("the page's document %s is valid against schema.graphql", (_name, document) => {
  expect(validate(schema, parse(document)).map(String)).toEqual([]);
});

test("every document of the page is checked", () => {
  expect(operations.map(([name]) => name).sort()).toEqual([
    "ABLATE",
    "ADD_MODEL",
    "ADD_SERIES",
    "ANNOTATE",
    "ATTRIBUTE",
    "ATTRIBUTE_ALL",
    "BUILD_ALL_GRAPHS",
    "BUILD_GRAPH",
    "CANCEL_JOB",
    "COLLECT",
    "COUNT_CASES",
    "COUNT_DIAGNOSES",
    "COUNT_OUTCOMES",
    "DIAGNOSE",
    "DIAGNOSE_ALL",
    "EXPLAIN",
    "EXPLAIN_AGAINST",
    "EXPLAIN_OBJECTIVE",
    "FETCH_MODEL",
    "FIND_CASE",
    "FIND_PAIRS",
    "GENERATE",
    "IMPORT",
    "LABEL_PAIR",
    "LAST_JOB",
    "LIST_ANSWERS",
    "LIST_ATTRIBUTIONS",
    "LIST_CASES",
    "LIST_JOBS",
    "LIST_MODELS",
    "LIST_STUDIES",
    "LIST_WORKERS",
    "MARK_ALL",
    "MASK",
    "MASK_ALL",
    "MASK_TOKENS",
    "PLAN",
    "READER_AGREEMENT",
    "READ_ABLATIONS",
    "READ_ANNOTATION_PROMPT",
    "READ_ANSWER",
    "READ_ASK_MODELS",
    "READ_CANDIDATES",
    "READ_CASE",
    "READ_CHAIN_HEAT",
    "READ_CHOICES",
    "READ_COMPLETION",
    "READ_DIAGNOSIS",
    "READ_MASKING",
    "READ_MEMBERS",
    "READ_MOVEMENTS",
    "READ_OBJECTIVES",
    "READ_POINTS",
    "READ_RELEVANCE",
    "READ_ROW_RELEVANCE",
    "READ_STUDY",
    "READ_TOKENS",
    "READ_TRACE",
    "READ_TRACED",
    "READ_VISITED",
    "RETRY_JOB",
    "RUN_STUDY",
    "SEARCH_CASE",
    "SET_SEGMENTS",
    "TRACE",
    "WATCH_ANSWER",
    "WATCH_JOB",
    "WEIGH_ALL",
  ]);
});
