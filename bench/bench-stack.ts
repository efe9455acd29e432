import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { checkoutDir } from "../stack/paths.ts";
import type { StackAddresses } from "../stack/stack-addresses.ts";

const Addresses = z.object({
  apiUrl: z.string(),
  functionsUrl: z.string(),
  dbUrl: z.string(),
  adminDbUrl: z.string(),
  anonKey: z.string(),
  serviceRoleKey: z.string(),
  publishableKey: z.string(),
  secretKey: z.string(),
  jwtSecret: z.string(),
});

/** A stack of the bench's own. */
export interface BenchStack extends StackAddresses {
  /** The process above all of the stack's. */
  pid: number;
  /** Ends it and removes its database, which can be gigabytes. */
  stop(): Promise<void>;
}

/** Starts a new, empty stack in a process of its own. */
export async function startBenchStack(
  name: string,
  durable = false,
): Promise<BenchStack> {
  const file = fileURLToPath(new URL("./stack-process.ts", import.meta.url));
  const child = fork(file, [name, durable ? "durable" : "fast"], {
    cwd: checkoutDir,
    execArgv: ["--import", "tsx"],
  });
  const ended = once(child, "exit");
  const started = once(child, "message");
  const first = await Promise.race([started, ended]);
  const addresses = Addresses.safeParse(first[0]);
  if (!addresses.success || child.pid === undefined) {
    throw new Error("The bench's stack did not start; see the lines above");
  }
  return {
    ...addresses.data,
    pid: child.pid,
    async stop() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}
