/** Streams of events are open for long: each client may have so many, and all together so many. */
import type { Metrics } from "../metrics.ts";
import { tooMany } from "./refusal.ts";
import type { Client } from "../../base/tokens.ts";

const MOST_OF_CLIENT = 100;
const MOST = 1000;

export interface OpenStreams {
  /** The answer, counted until it ends when it is a stream of events; or the refusal of one stream too many. */
  count(answer: Response, client: Client): Response;
}

export function createOpenStreams(metrics: Metrics, most = { ofClient: MOST_OF_CLIENT, all: MOST }): OpenStreams {
  const open = new Map<string, number>();
  let all = 0;
  return {
    count: (answer, { key }) => {
      if (!answer.headers.get("content-type")?.startsWith("text/event-stream") || answer.body === null) return answer;
      const own = open.get(key) ?? 0;
      if (own >= most.ofClient || all >= most.all) {
        answer.body.cancel().catch(() => {});
        return tooMany(1, "open streams");
      }
      open.set(key, own + 1);
      all++;
      const closed = metrics.stream();
      let counted = true;
      const end = (): void => {
        if (!counted) return;
        counted = false;
        closed();
        all--;
        const left = (open.get(key) ?? 1) - 1;
        if (left > 0) open.set(key, left);
        else open.delete(key);
      };
      return new Response(watched(answer.body, end), answer);
    },
  };
}

function watched(body: ReadableStream<Uint8Array>, end: () => void): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream({
    pull: async (controller) => {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        end();
        controller.close();
      } catch (error) {
        end();
        throw error;
      }
    },
    cancel: async (reason) => {
      end();
      await reader.cancel(reason);
    },
  });
}
