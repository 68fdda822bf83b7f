/** What a supervised process says on standard output, a JSON line each, so that its supervisor knows how it is. */
import process from "node:process";

/** A task that a process works on: if it falls, this may be why. */
export interface WorkedTask {
  readonly queue: string;
  readonly id: string;
  readonly retryCount: number;
}

export type WorkerMessage =
  /** It works from now on; a worker tells on which adapter. */
  | { readonly event: "ready"; readonly adapter?: string; readonly advice?: string | undefined }
  /** Its thread comes round. */
  | { readonly event: "beat" }
  /** What one of its consumers works on from now on; nothing once that has ended. */
  | { readonly event: "tasks"; readonly consumer: string; readonly tasks: readonly WorkedTask[] }
  /** Device memory of its buffers, told when it changed. */
  | { readonly event: "memory"; readonly gpuBytes: number };

/** How often a process says that it is alive, in milliseconds. */
export const BEAT_MS = 5000;

export function tell(message: WorkerMessage): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** Says that the process is ready, and from then on that it is alive. */
export function tellReady(message: Extract<WorkerMessage, { readonly event: "ready" }>): void {
  tell(message);
  setInterval(() => tell({ event: "beat" }), BEAT_MS).unref();
}
