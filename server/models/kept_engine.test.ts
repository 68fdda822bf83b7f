/** The engine that commands share: opened once, again when it is lost or full of waste, with its models apart. */
import { expect, test } from "vitest";
import type { Engine, LoadedModel } from "../../gpu/mod.ts";
import { keepEngine } from "./kept_engine.ts";

/** What stands for engines here: what was opened, closed, loaded and taken off. */
function opening() {
  const told: string[] = [];
  let waste = 0;
  let lose = (_reason: string): void => {};
  const open = (): Promise<Engine> => {
    told.push("open");
    const lost = new Promise<string>((done) => lose = done);
    const loadModel = (directory: string) => {
      told.push(`load ${directory}`);
      return Promise.resolve({ dispose: () => void told.push(`dispose ${directory}`) } as LoadedModel);
    };
    const engine = { lost, loadModel, wasteBytes: () => waste, close: () => void told.push("close") };
    return Promise.resolve(engine as unknown as Engine);
  };
  return { open, told, fill: (bytes: number) => waste = bytes, lose: () => lose("gone") };
}

test("commands share one engine, and each takes its own models off, once", async () => {
  const { open, told } = opening();
  const lend = keepEngine(open);
  const [first, second] = [await lend(), await lend()];
  const a = await first.loadModel("a");
  await first.loadModel("b");
  await second.loadModel("c");
  a.dispose();
  first.close();
  first.close();
  expect(told).toEqual(["open", "load a", "load b", "load c", "dispose a", "dispose b"]);
  second.close();
  expect(told.at(-1)).toBe("dispose c");
});

test("another one is opened when it is lost, and when it gathered waste", async () => {
  const { open, told, fill, lose } = opening();
  const lend = keepEngine(open);
  await lend();
  lose();
  await Promise.resolve();
  await lend();
  expect(told).toEqual(["open", "open"]);
  fill(600e6);
  const next = lend();
  await Promise.resolve();
  fill(0);
  await next;
  expect(told).toEqual(["open", "open", "close", "open"]);
});

test("an engine that does not open is asked for again", async () => {
  const { open } = opening();
  let tries = 0;
  const lend = keepEngine(() => ++tries === 1 ? Promise.reject(new Error("no adapter")) : open());
  await expect(lend()).rejects.toThrow("no adapter");
  await lend();
  expect(tries).toBe(2);
});
