/** Builds the page once, before the tests that look at it. */
import { build } from "vite";
import { join } from "node:path";
import { ROOT } from "../server/base/settings.ts";

export default async function setup(): Promise<void> {
  await build({ configFile: join(ROOT, "web", "vite.config.ts"), logLevel: "warn" });
}
