/** A line to the database that can be cut. */
import { connect, createServer, type Server as NetServer, type Socket } from "node:net";

export interface Line {
  readonly port: number;
  cut(): void;
  mend(): Promise<void>;
  /** Whether new connections are ended as soon as they may ask: a database that shuts down, as connections see it. */
  leave(whether: boolean): void;
  close(): void;
}

/** Passes connections on to a port of this machine. */
export async function startLine(port: number): Promise<Line> {
  const open = new Set<Socket>();
  let leaving = false;
  let server: NetServer;
  const listen = (at: number) =>
    new Promise<number>((done) => {
      server = createServer((near) => {
        const far = connect(port, "127.0.0.1");
        for (const socket of [near, far]) {
          open.add(socket);
          socket.on("error", () => {});
          socket.on("close", () => {
            open.delete(socket);
            near.destroy();
            far.destroy();
          });
        }
        near.pipe(far).pipe(near);
        // "Ready for query" is the last message of a start: 'Z', a length of 5, and the state.
        if (leaving) far.on("data", (data) => data.at(-6) === 0x5a && near.end());
      }).listen(at, "127.0.0.1", () => done((server.address() as { port: number }).port));
    });
  const own = await listen(0);
  const cut = () => {
    server.close();
    for (const socket of open) socket.destroy();
  };
  return {
    port: own,
    cut,
    mend: async () => void await listen(own),
    leave: (whether) => leaving = whether,
    close: cut,
  };
}
