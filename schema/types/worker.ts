/** Worker: who works now. */
import { builder } from "./builder.ts";
import type { LiveWorker } from "../services/workers.ts";

const Worker = builder.objectRef<LiveWorker>("Worker").implement({
  description: "A GPU worker that runs now: it wrote itself down within the last seconds.",
  fields: (t) => ({
    host: t.exposeString("host", { description: "Name of its machine." }),
    pid: t.exposeInt("pid", { description: "Its process there." }),
    adapter: t.exposeString("adapter", { description: "The adapter it works on, in its driver's words." }),
    memoryBytes: t.exposeFloat("memoryBytes", {
      nullable: true,
      description: "Device memory that it may use in all, in bytes; null where nobody tells.",
    }),
    models: t.stringList({
      description: "Names of the models whose files it holds.",
      complexity: { field: 1, multiplier: 1 },
      resolve: ({ models }) => [...models],
    }),
    startedAt: t.expose("startedAt", { type: "DateTime", description: "When it began." }),
  }),
});

builder.queryField("workers", (t) =>
  t.field({
    type: [Worker],
    description: "The workers that run now, on any machine, oldest first.",
    complexity: { field: 5, multiplier: 5 },
    resolve: (_parent, _args, { services }) => services.listWorkers(),
  }));
