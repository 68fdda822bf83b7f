/** A process that prints lines of other hands, says it works on a task and never comes round again, for tests of who watches it. */
import { tell } from "../server/jobs/messages.ts";

// What a driver or a package may print.
console.log("a line that is no message\n[1]\nnull");
tell({ event: "ready", adapter: "none" });
tell({ event: "tasks", consumer: "test", tasks: [{ queue: "analyse/test", id: "a", retryCount: 0 }] });
// What was said is on its way; then nothing.
setTimeout(() => {
  for (;;);
}, 200);
