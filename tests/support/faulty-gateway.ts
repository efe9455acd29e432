import { createServer } from "node:http";
import { startFunction } from "../../stack/function-process.ts";
import { supabaseDir } from "../../stack/paths.ts";
import { readSupabaseConfig } from "../../stack/supabase-config.ts";
import { functionOf, pathOf } from "./profile.ts";
import { type Fault, relay } from "./relay.ts";
import { functionEnv, stack } from "./stack.ts";

export type { Fault };

/** A function that reaches the stack through a gateway with faults. */
export interface FaultyFunction {
  readonly url: string;
  /** Decides about each request, by method and path. */
  fault: (request: string) => Fault;
  /** The requests so far, as method and path. */
  readonly requests: string[];
  stop(): Promise<void>;
}

/** Starts the real entry file of a function behind such a gateway. */
export async function startBehindFaults(name: string): Promise<FaultyFunction> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const line = `${request.method} ${request.url?.split("?")[0]}`;
    requests.push(line);
    relay(request, response, started.fault(line));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;

  const config = readSupabaseConfig(supabaseDir).functions.get(
    functionOf(name),
  );
  if (config === undefined) throw new Error(`There is no function ${name}`);
  const process = startFunction(config, {
    ...functionEnv(),
    SUPABASE_URL: `http://127.0.0.1:${port}`,
    PUBLIC_URL: stack().apiUrl,
  }, () => {});
  const started: FaultyFunction = {
    url: `http://127.0.0.1:${await process.port}${pathOf(name)}`,
    fault: () => "none",
    requests,
    async stop() {
      await process.stop();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
  return started;
}
