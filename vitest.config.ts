import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    pool: "forks",
    include: ["{gpu,server,schema,web,test}/**/*.test.ts"],
    exclude: ["node_modules/**", "test/soak/**"],
    // A software adapter and a database start slowly on two busy cores.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    maxWorkers: 2,
  },
});
