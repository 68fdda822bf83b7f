/** Outcome and pattern: where a failure shows, and how it came about (docs/diagnosis.md). */
import { builder } from "./builder.ts";

export const Outcome = builder.enumType("Outcome", {
  description: "Where a failure shows. Names as in arXiv 2604.17761.",
  values: {
    M_IA: { value: "m_ia", description: "M-IA: the heatmap of the input explains it." },
    NC_IA_M_AG: { value: "nc_ia_m_ag", description: "NC-IA+M-AG: the heatmap does not, the graph does." },
    NC_IA_AG: { value: "nc_ia_ag", description: "NC-IA+AG: neither does." },
  } as const,
});

export const Pattern = builder.enumType("Pattern", {
  description: "How an explained failure came about.",
  values: {
    URT: { value: "urt", description: "Relevant tokens are underweighted." },
    OIT: { value: "oit", description: "Irrelevant tokens are overweighted." },
    URT_OIT: { value: "urt_oit", description: "Both." },
  } as const,
});
