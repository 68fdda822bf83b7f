/** Names the models that can be asked. */
import { z } from "zod";
import { READ_MODELS } from "./documents.ts";
import { tool } from "./tool.ts";

interface Models {
  readonly models: {
    readonly nodes: readonly {
      readonly name: string;
      readonly architecture: string;
      readonly parameters: number;
      readonly layers: number;
    }[];
  };
}

export const modelsTool = tool({
  name: "list_models",
  title: "List models",
  description: "Names the models that were added to this server, the newest first.",
  input: z.object({}),
  readOnly: true,
  run: async (_input, { api, signal }) => {
    const { models } = await api.ask<Models>(READ_MODELS, {}, signal);
    const rows = models.nodes.map(({ name, architecture, parameters, layers }) =>
      `${name}: ${architecture}, ${(parameters / 1e6).toPrecision(3)} million parameters, ${layers} blocks`
    );
    return { text: rows.join("\n") || "No model was added yet: npx culprit model add MODEL" };
  },
});
