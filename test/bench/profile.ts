/** Processor time of each kernel on a software adapter, which computes in this process. */
import process from "node:process";
import type { Device } from "../../gpu/device/device.ts";

/**
 * The device, each of whose runs is waited for and timed by itself, in the order in which they were recorded. A kernel's
 * first run compiles it: what is measured before `reset` is forgotten. `print` writes a line for each kernel, with one set of
 * constants, to standard error: its processor time, user and system.
 */
export function profileKernels(
  device: Device,
): { readonly device: Device; readonly print: () => void; readonly reset: () => void } {
  const waiting: { readonly name: string; readonly record: () => void }[] = [];
  const found = new Map<string, { dispatches: number; seconds: number }>();
  const defer = (name: string, record: () => void) => void waiting.push({ name, record });
  const drain = async () => {
    for (const { name, record } of waiting.splice(0)) {
      const start = process.cpuUsage();
      record();
      await device.flush();
      const { user, system } = process.cpuUsage(start);
      const sum = found.get(name) ?? { dispatches: 0, seconds: 0 };
      found.set(name, { dispatches: sum.dispatches + 1, seconds: sum.seconds + (user + system) / 1e6 });
    }
  };
  return {
    device: {
      ...device,
      run(dispatch) {
        const { RULE, MODE, PASS, QUERY } = dispatch.constants ?? {};
        const variant = [RULE, MODE, PASS, QUERY].filter((value) => value !== undefined).join(",");
        defer(`${dispatch.kernel}${variant && ` ${variant}`}`, () => device.run(dispatch));
      },
      copy: (...given) => defer("copy", () => device.copy(...given)),
      clear: (buffer) => defer("clear", () => device.clear(buffer)),
      write(buffer, offset, data) {
        const kept = data.slice();
        defer("write", () => device.write(buffer, offset, kept));
      },
      free: (buffer) => defer("free", () => device.free(buffer)),
      destroy: (buffer) => defer("destroy", () => device.destroy(buffer)),
      async flush() {
        await drain();
        await device.flush();
      },
      async advance() {
        await drain();
        await device.flush();
      },
      async read(buffer, offset, bytes) {
        await drain();
        return await device.read(buffer, offset, bytes);
      },
    },
    reset: () => found.clear(),
    print() {
      for (const [kernel, { dispatches, seconds }] of [...found].sort(([, a], [, b]) => b.seconds - a.seconds)) {
        console.error(`${seconds.toFixed(3).padStart(9)} s ${String(dispatches).padStart(6)} x ${kernel}`);
      }
    },
  };
}
