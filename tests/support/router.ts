import { startFunction } from "../../stack/function-process.ts";
import { supabaseDir } from "../../stack/paths.ts";
import { readSupabaseConfig } from "../../stack/supabase-config.ts";
import type { Reply } from "./http.ts";
import { functionEnv, stack } from "./stack.ts";

/** An isolate of the router, in a process of its own. */
export interface Router {
  /** The address before a route. */
  readonly address: string;
  /** Calls a route, in the name of the service unless told otherwise. */
  call(route: string, body: unknown, key?: string): Promise<Reply>;
  /** SIGTERM. */
  stop(): Promise<void>;
}

/** Starts the real entry file of `fairlane`; `env` changes its environment. */
export async function startRouter(
  env: Readonly<Record<string, string>> = {},
): Promise<Router> {
  const config = readSupabaseConfig(supabaseDir).functions.get("fairlane");
  if (config === undefined) throw new Error("There is no function fairlane");
  const environment = { ...functionEnv(), ...env };
  const process = startFunction(config, environment, () => {});
  const address = `http://127.0.0.1:${await process.port}/fairlane`;
  return {
    address,
    async call(route, body, key = stack().secretKey) {
      const response = await fetch(
        `${address}/${route}`,
        {
          method: "POST",
          headers: {
            "content-type": "application/json",
            ...(key === "" ? {} : { authorization: `Bearer ${key}` }),
          },
          body: JSON.stringify(body),
          signal: AbortSignal.timeout(120_000),
        },
      );
      const { status, headers } = response;
      const text = await response.text();
      return {
        status,
        headers,
        text,
        json: text ? JSON.parse(text) : undefined,
      };
    },
    stop: () => process.stop(),
  };
}
