/**
 * OpenTelemetry traces from a mutation over its tasks to the engine's batches. Spans go wherever the process was told to
 * send them: Deno does it by itself when OTEL_DENO=true and OTEL_EXPORTER_OTLP_ENDPOINT are set. Without that, nothing
 * is recorded and nothing is stored.
 */
import process from "node:process";
import { context, type Span, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { eq } from "drizzle-orm";
import type { Database } from "../schema/context.ts";
import { jobs } from "../schema/tables.ts";

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

/** Runs a task of a job inside a span that belongs to the trace of the job's request. */
export async function worked<Result>(
  db: Database,
  queue: string,
  task: { readonly jobId: string },
  work: () => Promise<Result>,
): Promise<Result> {
  if (!isRecording()) return await work();
  const [job] = await db.select({ trace: jobs.trace }).from(jobs).where(eq(jobs.id, task.jobId));
  const parent = job?.trace ? parentOf(job.trace) : context.active();
  const attributes = Object.fromEntries(Object.entries(task).map(([key, value]) => [`culprit.${key}`, String(value)]));
  return await tracer().startActiveSpan(
    `task ${queue}`,
    { kind: SpanKind.CONSUMER, attributes },
    parent,
    (span) => ended(span, work),
  );
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
    span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
    throw error;
  } finally {
    span.end();
  }
}
