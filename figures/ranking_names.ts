/** Orders in which tokens are masked: what they are called, and which line they have everywhere. */
export const RANKINGS = {
  attnlrp: { name: "AttnLRP", series: 0 },
  cplrp: { name: "CP-LRP", series: 1 },
  gradient: { name: "Gradient × input", series: 2 },
  random: { name: "random", series: 4 },
  lowest: { name: "lowest first", series: 3 },
  chosen: { name: "by hand", series: 5 },
} as const;
