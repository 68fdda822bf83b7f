import { expect, test } from "vitest";
import { createLanes } from "./lanes.ts";

test("batch work waits while interactive work runs, and interactive work never waits", async () => {
  const lanes = createLanes();
  const said: string[] = [];
  const end = Promise.withResolvers<void>();
  const batch = lanes.run("batch", async () => {
    for (let step = 0; step < 3; step++) {
      await lanes.giveWay();
      said.push(`batch ${step}`);
      if (step === 0) interactive = lanes.run("interactive", work);
    }
  });
  let interactive = Promise.resolve();
  const work = async () => {
    await lanes.giveWay();
    said.push("interactive begins");
    await end.promise;
    await lanes.giveWay();
    said.push("interactive ends");
  };
  await new Promise((done) => setTimeout(done, 5));
  expect(said).toEqual(["batch 0", "interactive begins"]);
  end.resolve();
  await Promise.all([batch, interactive]);
  expect(said).toEqual(["batch 0", "interactive begins", "interactive ends", "batch 1", "batch 2"]);
});

test("interactive work that fails lets batches go on", async () => {
  const lanes = createLanes();
  await expect(lanes.run("interactive", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  await lanes.run("batch", () => lanes.giveWay());
});

test("work outside of any lane gives way", async () => {
  const lanes = createLanes();
  const end = Promise.withResolvers<void>();
  const interactive = lanes.run("interactive", () => end.promise);
  let went = false;
  const loading = lanes.giveWay().then(() => went = true);
  await new Promise((done) => setTimeout(done, 5));
  expect(went).toBe(false);
  end.resolve();
  await Promise.all([interactive, loading]);
  expect(went).toBe(true);
});

test("work in a hurry keeps batches waiting between its parts", async () => {
  const lanes = createLanes();
  const said: string[] = [];
  const part = (name: string) => lanes.run("interactive", () => Promise.resolve(void said.push(name)));
  const between = Promise.withResolvers<void>();
  const hurried = lanes.hurry(async () => {
    await part("first");
    await between.promise;
    await part("second");
  });
  const batch = lanes.run("batch", async () => {
    await lanes.giveWay();
    said.push("batch");
  });
  await new Promise((done) => setTimeout(done, 5));
  expect(said).toEqual(["first"]);
  between.resolve();
  await Promise.all([hurried, batch]);
  expect(said).toEqual(["first", "second", "batch"]);
  await lanes.hurry(() => Promise.reject(new Error("no"))).catch(() => {});
  await lanes.run("batch", () => lanes.giveWay());
});

test("what is in a hurry may wait for a batch: that goes on after a while", { timeout: 30_000 }, async () => {
  const lanes = createLanes();
  const loading = Promise.withResolvers<string>();
  const hurried = lanes.hurry(() => loading.promise);
  const batch = lanes.run("batch", async () => {
    // Once only: a load gives way many times.
    for (let part = 0; part < 50; part++) await lanes.giveWay();
    loading.resolve("loaded");
  });
  expect(await hurried).toBe("loaded");
  await batch;
});
