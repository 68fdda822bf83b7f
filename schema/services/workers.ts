/** Workers that run. */

/** A worker that runs. */
export interface LiveWorker {
  readonly host: string;
  readonly pid: number;
  readonly adapter: string;
  readonly memoryBytes: number | null;
  /** Names of the models that it holds. */
  readonly models: readonly string[];
  readonly startedAt: Date;
}
