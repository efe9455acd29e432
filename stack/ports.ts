import { createServer } from "node:net";
import { describeHolder } from "./port-holder.ts";

/** A port that a stack would like to have. */
export interface WantedPort {
  port: number;
  /** The variable that names another one. */
  variable: PortVariable;
  /** Somebody named this one: then no other will do. */
  isNamed: boolean;
}

/** What is reached at the port that a variable names. */
const REACHED = { API_PORT: "The API", DB_PORT: "The database" };
type PortVariable = keyof typeof REACHED;

/** Keeps the ports of one stack together: 54321 and 54322, 54331 and 54332. */
export const PORT_STEP = 10;
export const PORT_TRIES = 50;

/**
 * A free port: the wanted one, or the next of its kind, which `say` then hears.
 *
 * It may be taken a moment later; who takes it has to be ready for that.
 */
export async function settlePort(
  wanted: WantedPort,
  say: (line: string) => void,
): Promise<number> {
  const { port, variable, isNamed } = wanted;
  if (await isFree(port)) return port;
  const taken = takenPort(port);
  if (isNamed) {
    throw new Error(
      `${taken}. Stop it, or choose another port with ${variable}=<port>`,
    );
  }
  for (let tries = 1; tries <= PORT_TRIES; tries++) {
    const other = port + tries * PORT_STEP;
    if (other > 65_535 || !await isFree(other)) continue;
    say(`${taken}. ${REACHED[variable]} is on port ${other} instead`);
    return other;
  }
  throw new Error(
    `${taken}, and so are ${PORT_TRIES} others. ` +
      `Name a free port with ${variable}=<port>`,
  );
}

/** Says that a port is taken, and by whom. */
export function takenPort(port: number): string {
  return `Port ${port} is taken by ${describeHolder(port)}`;
}

/** Describes a port that is wanted, or that it has to be. */
export function wantedPort(
  variable: PortVariable,
  port: number,
  isNamed: boolean,
): WantedPort {
  return { variable, port, isNamed };
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

/** Whether nothing listens on a port of this machine now. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(false);
      else reject(error);
    });
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
