/** What computed a result. The same provenance gives the same numbers, to the last bit on the same machine. */
import { Attribution } from "./attribution.ts";
import { AttributionGraph } from "./attribution_graph.ts";
import { builder } from "./builder.ts";
import { Rule } from "./rule.ts";
import type { Rule as RuleName } from "../tables/rules.ts";

interface ProvenanceRow {
  /** `VERSION+KERNELS`; null in rows older than the column. */
  readonly engine: string | null;
  readonly adapter: string;
  readonly adapterChecked: boolean | null;
  readonly rule: RuleName;
  readonly model: { readonly hash: string; readonly dtype: string | null };
}

const Provenance = builder.objectRef<ProvenanceRow>("Provenance").implement({
  description: "What computed a result: who asks for the same with the same provenance gets the same numbers.",
  fields: (t) => ({
    engine: t.string({
      nullable: true,
      description: "Version of the engine; null in old rows.",
      resolve: ({ engine }) => engine?.split("+")[0] ?? null,
    }),
    kernels: t.string({
      nullable: true,
      description: "Beginning of the SHA-256 over all kernels; null in old rows.",
      resolve: ({ engine }) => engine?.split("+")[1] ?? null,
    }),
    adapter: t.exposeString("adapter", { description: "Adapter that computed it, in its driver's words." }),
    adapterChecked: t.exposeBoolean("adapterChecked", {
      nullable: true,
      description: "Whether the adapter had computed golden models right before it computed this; null in old rows.",
    }),
    model: t.string({
      description: "SHA-256 over configuration, tensors' headers and samples of the weights.",
      resolve: ({ model }) => model.hash,
    }),
    rule: t.expose("rule", { type: Rule, description: "Backward rule." }),
    dtype: t.string({
      nullable: true,
      description: "Types of the model's weights as they are stored; sums and gradients are F32 always.",
      resolve: ({ model }) => model.dtype,
    }),
  }),
});

builder.drizzleObjectFields(Attribution, (t) => ({
  provenance: t.field({
    type: Provenance,
    description: "What computed it.",
    select: {
      columns: { engine: true, adapter: true, adapterChecked: true, rule: true },
      with: { model: { columns: { hash: true, dtype: true } } },
    },
    resolve: (row) => row,
  }),
}));

builder.drizzleObjectFields(AttributionGraph, (t) => ({
  provenance: t.field({
    type: Provenance,
    description: "What computed it.",
    select: {
      columns: { engine: true, adapter: true, adapterChecked: true },
      with: {
        attribution: { columns: { rule: true }, with: { model: { columns: { hash: true, dtype: true } } } },
      },
    },
    resolve: ({ engine, adapter, adapterChecked, attribution: { rule, model } }) => ({
      engine,
      adapter,
      adapterChecked,
      rule,
      model,
    }),
  }),
}));
