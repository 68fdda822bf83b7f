/**
 * OpenTelemetry traces from a mutation over its tasks to the engine's batches. Spans go wherever the process was told to
 * send them: Deno does it by itself when OTEL_DENO=true and OTEL_EXPORTER_OTLP_ENDPOINT are set. Without that, nothing
 * is recorded and nothing is stored.
 */
import process from "node:process";
import { context, type Span, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { inArray } from "drizzle-orm";
import type { Database } from "../../schema/tables/database.ts";
import { jobs } from "../../schema/tables/tables.ts";

const tracer = () => trace.getTracer("culprit");

/** Runs a mutation inside a span of its own. */
export async function asked<Result>(field: string, work: () => Promise<Result> | Result): Promise<Result> {
  return await tracer().startActiveSpan(`mutation ${field}`, { kind: SpanKind.SERVER }, (span) => ended(span, work));
}

/** The W3C trace context of what runs now, to be kept with a job; null when nothing is recorded. */
export function currentTrace(): string | null {
  const span = trace.getActiveSpan()?.spanContext();
  if (span === undefined || !/[1-9a-f]/.test(span.traceId)) return null;
  return `00-${span.traceId}-${span.spanId}-${span.traceFlags.toString(16).padStart(2, "0")}`;
}

/**
 * Runs tasks inside spans, each in the trace of its job's request. What the engine does in one pass for all of them is
 * told in the span of the first, which the others link to.
 */
export async function worked<Result>(
  db: Database,
  kind: string,
  tasks: readonly { readonly jobId: string }[],
  work: () => Promise<Result>,
): Promise<Result> {
  if (!isRecording()) return await work();
  const rows = await db.select({ id: jobs.id, trace: jobs.trace }).from(jobs)
    .where(inArray(jobs.id, [...new Set(tasks.map(({ jobId }) => jobId))]));
  const traces = new Map(rows.map((row) => [row.id, row.trace]));
  const spans: Span[] = [];
  for (const task of tasks) {
    const parent = traces.get(task.jobId);
    const attributes = Object.fromEntries(
      Object.entries(task).map(([key, value]) => [`culprit.${key}`, String(value)]),
    );
    const links = spans.slice(0, 1).map((first) => ({ context: first.spanContext() }));
    const options = { kind: SpanKind.CONSUMER, attributes: { ...attributes, "culprit.pack": tasks.length }, links };
    spans.push(tracer().startSpan(`task ${kind}`, options, parent ? parentOf(parent) : context.active()));
  }
  try {
    return await context.with(trace.setSpan(context.active(), spans[0]!), work);
  } catch (error) {
    for (const span of spans) setError(span, error);
    throw error;
  } finally {
    for (const span of spans) span.end();
  }
}

/** Tells the span that runs now about a step of the engine: a batch of kernels, a block, a shard that was loaded. */
export function stepped(phase: string, done: number, total: number): void {
  trace.getActiveSpan()?.addEvent(phase, { "culprit.done": done, "culprit.total": total });
}

/** Whether this process records spans: without, no task looks for its trace. */
const isRecording = (): boolean => /^(true|1)$/.test(process.env["OTEL_DENO"] ?? "");

function parentOf(traceparent: string) {
  const [, traceId, spanId, flags] = traceparent.split("-");
  const remote = { traceId: traceId!, spanId: spanId!, traceFlags: Number.parseInt(flags!, 16), isRemote: true };
  return trace.setSpanContext(context.active(), remote);
}

async function ended<Result>(span: Span, work: () => Promise<Result> | Result): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    setError(span, error);
    throw error;
  } finally {
    span.end();
  }
}

function setError(span: Span, error: unknown): void {
  span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
}
