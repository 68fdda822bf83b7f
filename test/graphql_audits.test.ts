/** The audits of another project, graphql-http, of the specification "GraphQL over HTTP". Warnings count as failures. */
import { serverAudits } from "graphql-http";
import { expect, test } from "vitest";
import { createHandler } from "../server/http/http.ts";
import { readSettings } from "../server/base/settings.ts";
import { testDatabase } from "./database.ts";

const database = testDatabase();

const audits = serverAudits({
  url: "http://localhost:4000/graphql",
  fetchFn: (url: string, init: RequestInit) => {
    const settings = { ...readSettings({}), rate: 1e6 };
    const context = { db: database.connection.db, services: {} as never };
    return createHandler({ settings, context, workerState: () => undefined })(new Request(url, init));
  },
});

test("there are audits", () => expect(audits.length).toBeGreaterThan(50));

test.each(audits.map((audit) => [audit.name, audit] as const))("%s", async (_name, audit) => {
  const result = await audit.fn();
  expect(result.status, "reason" in result ? result.reason : "").toBe("ok");
});
