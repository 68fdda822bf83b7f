/** MarkOrigin: who says which words of a prompt are instructions. */
import { builder } from "./builder.ts";

export const MarkOrigin = builder.enumType("MarkOrigin", {
  description:
    "Who says which words of a prompt state what the answer has to keep to. A person counts before a file, a " +
    "file before a locator, a locator before causal marks.",
  values: {
    PERSON: { value: "person", description: "Somebody changed the segments." },
    FILE: { value: "file", description: "The benchmark's or the case's own file." },
    LOCATOR: { value: "locator", description: "Rules for the benchmark's types of instructions." },
    CAUSAL: {
      value: "causal",
      description: "Hiding the sentence takes more away from the right continuation than from the wrong one.",
    },
  } as const,
});
