/**
 * Cases for blind readers: what a person needs who labels outcome and pattern (docs/labelling.md), or says which sentences
 * of the prompt the right token needs (docs/marks.md). Nothing that the classifier or the marks said is in them.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { and, eq } from "drizzle-orm";
import { loadTokenizer, type Tokenizer } from "../../gpu/mod.ts";
import { attributionGraphs } from "../../schema/tables/analysis_tables.ts";
import { metricsOf, type StoredGraphMetrics } from "../../schema/tables/analysis_values.ts";
import type { Database } from "../../schema/tables/database.ts";
import { attributions, failureCases, models, tokenPairs } from "../../schema/tables/tables.ts";
import { pairsOf } from "../jobs/pair_selection.ts";
import { promptSentences } from "../marking/prompt_sentences.ts";
import { labelGuide, SENTENCE_GUIDE } from "./reading_guides.ts";
import { failureBenchmarks, type WildStudy } from "./study.ts";

/** A token whose share of the largest |relevance| is below this is shown without its number. */
const FAINT = 0.05;

/** A failure as readers see it. */
export interface ReadingCase {
  readonly key: string;
  readonly prompt: string;
  /** The answer before the wrong token. */
  readonly before: string;
  readonly wrong: string;
  readonly right: string;
  /** What the model wrote from the wrong token on, and what it would have written from the right one on. */
  readonly wrongWay: string;
  readonly rightWay: string | null;
  readonly sentences: readonly string[];
  /** Null while it is not attributed. */
  readonly heat: Heat | null;
}

interface Heat {
  readonly tokens: readonly string[];
  /** At the embeddings, divided by the largest of tokens that are not special, [tokens]. */
  readonly relevance: readonly number[];
  /** One letter a token: S special, I instruction, Q query, A answer. */
  readonly segments: string;
  readonly graph: StoredGraphMetrics | null;
}

/** The first `each` clean pairs of each benchmark in the order of the seed; `diagnosed`: only those that have a graph. */
export async function readingCases(
  db: Database,
  study: WildStudy,
  each: number,
  diagnosed: boolean,
): Promise<ReadingCase[]> {
  const { model, seed } = study;
  const [row] = await db.select().from(models).where(eq(models.name, model));
  const tokenizer = await loadTokenizer(row!.directory);
  const cases: ReadingCase[] = [];
  for (const name of failureBenchmarks(study)) {
    const selection = { selection: "clean", model, benchmarks: [name], key: null, limit: null, seed } as const;
    let found = 0;
    for (const id of await pairsOf(db, selection)) {
      if (found === each) break;
      const one = await readingCase(db, id, tokenizer);
      if (diagnosed && (one.heat?.graph ?? null) === null) continue;
      cases.push(one);
      found++;
    }
  }
  return cases;
}

async function readingCase(db: Database, tokenPairId: number, tokenizer: Tokenizer): Promise<ReadingCase> {
  const [found] = await db.select({
    row: failureCases,
    pair: tokenPairs,
    attribution: attributions,
    graph: attributionGraphs,
  })
    .from(tokenPairs)
    .innerJoin(failureCases, eq(failureCases.id, tokenPairs.failureCaseId))
    .leftJoin(
      attributions,
      and(
        eq(attributions.tokenPairId, tokenPairs.id),
        eq(attributions.rule, "attnlrp"),
        eq(attributions.modelId, failureCases.modelId),
      ),
    )
    .leftJoin(attributionGraphs, eq(attributionGraphs.attributionId, attributions.id))
    .where(eq(tokenPairs.id, tokenPairId)).limit(1);
  const { row, pair, attribution, graph } = found!;
  const rollout = pair.candidates.find(({ id, passed }) => id === pair.contrastId && passed === true)?.completion ??
    null;
  const promptIds = row.inputIds.slice(0, row.promptTokens);
  return {
    key: row.key,
    prompt: row.messages.findLast(({ role }) => role === "user")?.content ?? row.prompt,
    before: row.prefix,
    wrong: pair.targetText,
    right: pair.contrastText,
    wrongWay: row.completion.slice(row.prefix.length),
    rightWay: rollout?.slice(row.prefix.length) ?? null,
    sentences: promptSentences(tokenizer, { messages: row.messages, prompt: row.prompt, promptIds })
      .map(({ text }) => text),
    heat: attribution === null ? null : {
      tokens: row.tokenTexts,
      relevance: firstRow(attribution.relevance, row.tokenTexts.length, attribution.scales[0] ?? 1),
      segments: row.editedSegments ?? row.segments,
      graph: graph === null ? null : metricsOf(graph.summary),
    },
  };
}

function firstRow(bytes: Uint8Array, tokens: number, scale: number): number[] {
  const floats = new DataView(Uint8Array.from(bytes).buffer);
  return Array.from({ length: tokens }, (_, at) => Number((floats.getFloat32(4 * at, true) / scale).toFixed(4)));
}

/** Writes both folders of readings; says how many cases each has. */
export async function writeReadings(
  db: Database,
  study: WildStudy,
  folder: string,
  each: number,
): Promise<{ readonly labels: number; readonly sentences: number }> {
  const labels = await readingCases(db, study, each, true);
  const sentences = await readingCases(db, study, each, false);
  await writeFolder(
    join(folder, "labels"),
    await labelGuide(),
    labels.map(labelText),
    labels.map(({ key }) => (
      { key, outcome: "", pattern: null, note: "" }
    )),
  );
  await writeFolder(
    join(folder, "sentences"),
    SENTENCE_GUIDE,
    sentences.map(sentenceText),
    sentences.map(({ key }) => (
      { key, phrases: [], note: "" }
    )),
  );
  return { labels: labels.length, sentences: sentences.length };
}

async function writeFolder(folder: string, guide: string, texts: readonly string[], lines: readonly object[]) {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "GUIDE.md"), guide);
  await writeFile(join(folder, "cases.md"), texts.map((text, index) => `## ${index + 1}. ${text}`).join("\n"));
  await writeFile(join(folder, "form.jsonl"), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
}

const fenced = (text: string) => `~~~~\n${text}\n~~~~`;

function waysText({ wrong, right, wrongWay, rightWay }: ReadingCase): string {
  return `Here the model wrote ${JSON.stringify(wrong)}; right is ${JSON.stringify(right)}.

It went on (wrong):

${fenced(wrongWay)}

After the right token it would have gone on (passes):

${rightWay === null ? "*not known*" : fenced(rightWay)}
`;
}

/** A case for readers who say which sentences the right token needs. */
export function sentenceText(one: ReadingCase): string {
  return `${one.key}

Sentences of the prompt:

${one.sentences.map((text, index) => `[${index + 1}]\n${fenced(text)}`).join("\n")}

The answer before the place:

${fenced(one.before)}

${waysText(one)}`;
}

/** A case for readers who label outcome and pattern. */
export function labelText(one: ReadingCase): string {
  const { heat } = one;
  return `${one.key}

The prompt:

${fenced(one.prompt)}

The answer before the place:

${fenced(one.before)}

${waysText(one)}
${heat === null ? "" : heatText(heat)}`;
}

function heatText({ tokens, relevance, segments, graph }: Heat): string {
  const shown = tokens.map((text, at) => {
    const value = relevance[at]!;
    return Math.abs(value) < FAINT ? text : `⟦${text} ${value > 0 ? "+" : "−"}${Math.abs(value).toFixed(2)}⟧`;
  }).join("");
  const sums = [["I", "Instruction"], ["Q", "Query"], ["A", "Answer"], ["S", "Special"]].map(([letter, name]) =>
    `${name} ${relevance.reduce((sum, value, at) => segments[at] === letter ? sum + value : sum, 0).toFixed(2)}`
  );
  return `Relevance at the embeddings, of tokens with at least ${FAINT} of the largest (+ supports the wrong token, − the right one; S is
not in the scale):

${fenced(shown)}

Sums by segment: ${sums.join(", ")}.

${graph === null ? "" : graphText(graph, tokens)}`;
}

function graphText({ reduced, transfer }: StoredGraphMetrics, tokens: readonly string[]): string {
  const name = (token: number) => `${JSON.stringify(tokens[token])} (token ${token})`;
  const handed = transfer.tokens.map(({ token, cumulative }) =>
    `${name(token)} ${(cumulative.at(-1) ?? 0).toFixed(2)}`
  );
  const paths = reduced.paths.slice(0, 5).map(({ nodes, strength }) =>
    `- ${strength.toFixed(3)}: ${nodes.map(({ layer, token }) => `${name(token)} at layer ${layer}`).join(" → ")}`
  );
  return `Graph: tokens that hand most to the last position, in logits by the end: ${handed.join(", ") || "none"}.
Strongest paths:

${paths.join("\n")}
`;
}
