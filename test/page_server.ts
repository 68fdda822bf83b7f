/** The real server in this process, without a worker, on a test file's database. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startServer } from "../server/serve.ts";
import { readSettings } from "../server/base/settings.ts";

export interface PageServer {
  readonly address: string;
  stop(): Promise<void>;
}

export async function startPageServer(databaseUrl: string): Promise<PageServer> {
  const home = mkdtempSync(join(tmpdir(), "culprit-page-"));
  const settings = { ...readSettings({}), home, port: 0, databaseUrl };
  const { address, stop } = await startServer(settings, { worker: false });
  return {
    address,
    stop: async () => {
      await stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}
