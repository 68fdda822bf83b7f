/** Words that a supervised worker writes on standard output. */
export type WorkerMessage =
  | { readonly event: "ready"; readonly adapter: string }
  /** Device memory of its buffers, told when it changed. */
  | { readonly event: "memory"; readonly gpuBytes: number };
