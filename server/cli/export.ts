/** `culprit export cases|graphs`: what is stored, as files. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { and, eq } from "drizzle-orm";
import { InputError } from "../../gpu/mod.ts";
import { attributionGraphs } from "../../schema/tables/analysis_tables.ts";
import type { Database } from "../../schema/tables/database.ts";
import { attributions, failureCases, models, tokenPairs } from "../../schema/tables/tables.ts";
import { among } from "../base/among.ts";
import { writeFile } from "./export_preferences.ts";
import { readSelection, selectedPairs, SELECTION_OPTIONS, SELECTION_USAGE } from "./selection.ts";
import { optionText, requiredText, type Verb, type VerbContext } from "./verb.ts";

export const exportCases: Verb = {
  name: "export cases",
  summary: "Writes failure cases with their token pairs and evidence as culprit/1, which import reads again",
  usage: `export cases --out FILE ${SELECTION_USAGE} [--json]`,
  example: "npx culprit export cases --model demo-1m --benchmark demo-ifeval --out cases.jsonl",
  options: { out: { type: "string", value: "FILE", help: "the file to write" }, ...SELECTION_OPTIONS },
  run: runCases,
};

export const exportGraphs: Verb = {
  name: "export graphs",
  summary: "Writes stored attribution graphs as files, and a list of them",
  usage: `export graphs --out FOLDER [--format cgf|circuit-tracer] ${SELECTION_USAGE} [--json]`,
  example: "npx culprit export graphs --model demo-1m --limit 10 --out graphs",
  options: {
    out: { type: "string", value: "FOLDER", help: "the folder to write; docs/graph-file.md describes the files" },
    format: {
      type: "string",
      value: "FORMAT",
      help: "cgf: all numbers; circuit-tracer: JSON that its page and Neuronpedia read",
      default: "cgf",
    },
    ...SELECTION_OPTIONS,
  },
  run: runGraphs,
};

async function begin(context: VerbContext, verb: Verb) {
  const [{ refusePositionals }, { withDatabase }] = await Promise.all([
    import("./model_session.ts"),
    import("./with_database.ts"),
  ]);
  refusePositionals(context, verb.name);
  return { out: requiredText(context, verb, "out"), selection: readSelection(context), withDatabase };
}

async function runCases(context: VerbContext): Promise<void> {
  const { out, selection, withDatabase } = await begin(context, exportCases);
  const { pairLines } = await import("../cases/export_pairs.ts");
  const written = await withDatabase(async ({ db }) => {
    const lines: string[] = [];
    for await (const { tokenPairId, key, line } of pairLines(db, await selectedPairs(db, selection))) {
      lines.push(`${line}\n`);
      await tell(context, { id: btoa(`TokenPair:${tokenPairId}`), kind: "tokenPair", status: "COMPLETED", key });
    }
    await writeFile(out, lines.join(""));
    return lines.length;
  });
  await finish(context, { total: written, file: out }, `${written} token pairs written to ${out}\n`);
}

async function runGraphs(context: VerbContext): Promise<void> {
  const { out, selection, withDatabase } = await begin(context, exportGraphs);
  const given = optionText(context, "format");
  const format = GRAPH_FORMATS.find((one) => one === given);
  if (format === undefined) {
    throw new InputError(
      `there is no format ${JSON.stringify(given)}`,
      "--format",
      `give one of: ${GRAPH_FORMATS.join(", ")}`,
    );
  }
  const total = await withDatabase(async ({ db }) => {
    const pairs = await selectedPairs(db, selection);
    const rows = await db.select({
      id: attributionGraphs.id,
      key: failureCases.key,
      model: models.name,
      rule: attributions.rule,
      options: attributionGraphs.options,
      nodes: attributionGraphs.nodes,
      edges: attributionGraphs.edges,
    }).from(attributionGraphs)
      .innerJoin(attributions, eq(attributions.id, attributionGraphs.attributionId))
      .innerJoin(tokenPairs, eq(tokenPairs.id, attributions.tokenPairId))
      .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
      .innerJoin(models, and(eq(models.id, attributions.modelId)))
      .where(among(tokenPairs.id, pairs)).orderBy(attributionGraphs.id);
    if (rows.length === 0) {
      throw new InputError(
        "no graph is stored for these pairs",
        "--selection",
        "build them: npx culprit run --stages graph",
      );
    }
    await mkdir(out, { recursive: true }).catch((error: Error) => {
      throw new InputError(`it cannot be made: ${error.message}`, "--out", "give another path");
    });
    const list: string[] = [];
    for (const row of rows) {
      const file = `${row.id}-${row.key.replaceAll(/[^\w.@-]+/g, "_").slice(0, 100)}.${
        format === "cgf" ? "cgf" : "json"
      }`;
      await writeFile(join(out, file), await graphContent(db, row.id, format));
      const { id, key, ...rest } = row;
      const line = { id: btoa(`AttributionGraph:${id}`), kind: "graph", status: "COMPLETED", key, file, ...rest };
      list.push(`${JSON.stringify(line)}\n`);
      await tell(context, line);
    }
    await writeFile(join(out, "graphs.jsonl"), list.join(""));
    return rows.length;
  });
  await finish(context, { total, folder: out }, `${total} graphs written to ${out}, listed in graphs.jsonl\n`);
}

const GRAPH_FORMATS = ["cgf", "circuit-tracer"] as const;

/** A stored graph as the content of a file. */
async function graphContent(
  db: Database,
  id: number,
  format: (typeof GRAPH_FORMATS)[number],
): Promise<Uint8Array | string> {
  if (format === "circuit-tracer") {
    const { readCircuit } = await import("../graphs/read_circuit.ts");
    return `${JSON.stringify(await readCircuit(db, id))}\n`;
  }
  const [stored] = await db.select({ file: attributionGraphs.file }).from(attributionGraphs)
    .where(eq(attributionGraphs.id, id));
  return new Uint8Array(gunzipSync(stored!.file));
}

async function tell({ json, out }: VerbContext, line: object): Promise<void> {
  if (json) await out(`${JSON.stringify(line)}\n`);
}

async function finish({ json, out }: VerbContext, totals: object, text: string): Promise<void> {
  await out(json ? `${JSON.stringify(totals)}\n` : text);
}
