import { connect, createServer, type Socket } from "node:net";
import { stack } from "./stack.ts";

/** What happens to the next call on its way to the database. */
export type CallFault =
  | "none"
  /** The connection ends before its statement arrives. */
  | "lost"
  /** Its commit is carried out, and the connection ends before the answer. */
  | "unheard"
  /** Its commit does not get there, and nobody is told. */
  | "held";

/** A way to the database on which connections can be lost. */
export interface DatabaseRelay {
  readonly url: string;
  /** For the next call alone. */
  fault: CallFault;
  /** How many commits have come by. */
  commits: number;
  stop(): Promise<void>;
}

/** Starts one, for clients that send a call and its `commit` one by one. */
export async function startDatabaseRelay(): Promise<DatabaseRelay> {
  const { port, hostname } = new URL(stack().dbUrl);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const database = connect(Number(port), hostname);
    for (const socket of [client, database]) {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      socket.on("error", () => {});
    }
    const end = () => {
      client.destroy();
      database.destroy();
    };
    client.once("close", end);
    database.once("close", end);
    let isUnheard = false;
    database.on("data", (chunk) => isUnheard ? end() : client.write(chunk));
    client.on("data", (chunk) => {
      const isCommit = chunk.includes("commit\0");
      if (isCommit) relay.commits++;
      const { fault } = relay;
      const isStruck = fault === "lost"
        ? chunk.includes("json_to_record")
        : isCommit && fault !== "none";
      if (!isStruck) return void database.write(chunk);
      relay.fault = "none";
      if (fault === "lost") return end();
      isUnheard = fault === "unheard";
      if (isUnheard) database.write(chunk);
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  const url = new URL(stack().dbUrl);
  url.port = String(typeof address === "object" ? address?.port : "");
  const relay: DatabaseRelay = {
    url: url.href,
    fault: "none",
    commits: 0,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
  return relay;
}
