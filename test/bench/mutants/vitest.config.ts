import { join } from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: join(import.meta.dirname!, "../../.."),
  test: {
    pool: "forks",
    maxWorkers: 1,
    runner: "test/bench/mutants/runner.ts",
    setupFiles: ["test/engine_setup.ts", "test/bench/mutants/setup.ts"],
    include: ["gpu/**/*.test.ts"],
    testTimeout: 600_000,
    hookTimeout: 180_000,
  },
});
