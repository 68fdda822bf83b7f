/**
 * The device and the engine of a process's test files: kernels are compiled once, not once for each file. They end with
 * the process; what a test loads it disposes of.
 */
import { openDevice } from "../gpu/device/dawn.ts";
import { openEngine } from "../gpu/mod.ts";

/** Opens it once for each set of the settings that a device follows. */
function shared<Opened>(open: () => Promise<Opened>): () => Promise<Opened> {
  const opened = new Map<string, Promise<Opened>>();
  return () => {
    const settings = ["ADAPTER", "MATRIX", "ROBUST"].map((name) => Deno.env.get(`CULPRIT_${name}`) ?? "").join();
    const opening = opened.get(settings) ?? open();
    opened.set(settings, opening);
    return opening;
  };
}

export const sharedDevice = shared(() => openDevice());
export const sharedEngine = shared(() => openEngine());
