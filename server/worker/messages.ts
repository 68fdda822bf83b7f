/** Words that a supervised worker writes on standard output. */
export type WorkerMessage =
  | { readonly event: "ready"; readonly adapter: string; readonly advice?: string | undefined }
  /** Device memory of its buffers, told when it changed. */
  | { readonly event: "memory"; readonly gpuBytes: number };
