import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: {
    // Vite would take graphql's .mjs, everything in node_modules takes its .js: two copies that refuse each other.
    alias: [{ find: /^graphql$/, replacement: "graphql/index.js" }],
  },
  test: {
    pool: "forks",
    globalSetup: ["test/database_setup.ts", "test/page_setup.ts"],
    setupFiles: ["test/engine_setup.ts"],
    include: ["{gpu,server,schema,web,test}/**/*.test.ts"],
    exclude: ["node_modules/**", "test/soak/**"],
    // A software adapter and a database start slowly on two busy cores.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    maxWorkers: 2,
  },
});
