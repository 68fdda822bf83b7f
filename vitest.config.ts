import { defineConfig } from "vitest/config";
import LongestFirst from "./test/longest_first.ts";
import { testFiles, type Tier } from "./test/tiers.ts";

/** What has to be there before the tests of a tier. */
const SETUP: Readonly<Record<Tier, readonly string[]>> = {
  unit: [],
  gpu: [],
  server: ["test/database_setup.ts"],
  browser: ["test/database_setup.ts", "test/page_setup.ts"],
};

const files = testFiles();

export default defineConfig({
  resolve: {
    // Vite would take graphql's .mjs, everything in node_modules takes its .js: two copies that refuse each other.
    alias: [{ find: /^graphql$/, replacement: "graphql/index.js" }],
  },
  test: {
    pool: "forks",
    setupFiles: ["test/engine_setup.ts"],
    // A software adapter and a database start slowly on two busy cores.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    projects: (Object.keys(SETUP) as Tier[]).map((tier) => ({
      extends: true,
      // What needs no server leaves nothing behind: its files share processes, which load what they import, and compile
      // kernels, once.
      test: {
        name: tier,
        include: [...files[tier]],
        globalSetup: [...SETUP[tier]],
        isolate: tier === "server" || tier === "browser",
      },
    })),
  },
});
