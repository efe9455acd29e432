import { createServer } from "node:net";
import { describeHolder } from "./port-holder.ts";

/** Fails with the name of the holder when something listens on the port. */
export async function requireFreePort(
  port: number,
  variable: "API_PORT" | "DB_PORT",
): Promise<void> {
  if (await isFree(port)) return;
  throw new Error(
    `Port ${port} is taken by ${describeHolder(port)}. ` +
      `Stop it, or choose another port with ${variable}=<port>`,
  );
}

/** A port that nothing listens on now; it may be taken a moment later. */
export function pickFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" ? address?.port : undefined;
      server.close(() =>
        port ? resolve(port) : reject(new Error("No free port was found"))
      );
    });
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(false);
      else reject(error);
    });
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
