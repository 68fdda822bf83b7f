/** Interval: a mean with what a bootstrap says of it. */
import type { IntervalRow } from "../services/masking.ts";
import { builder } from "./builder.ts";

export const Interval = builder.objectRef<IntervalRow>("Interval").implement({
  description: "A mean over cases with its 95 % bootstrap interval.",
  fields: (t) => ({
    value: t.exposeFloat("value", { description: "The mean." }),
    low: t.exposeFloat("low", { description: "Lower end." }),
    high: t.exposeFloat("high", { description: "Upper end." }),
    count: t.exposeInt("count", { description: "Cases." }),
  }),
});
