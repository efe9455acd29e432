import { startFunction } from "../../stack/function-process.ts";
import { supabaseDir } from "../../stack/paths.ts";
import { readSupabaseConfig } from "../../stack/supabase-config.ts";
import { functionOf, pathOf } from "./profile.ts";
import { until } from "./sessions.ts";
import { functionEnv } from "./stack.ts";

/** A function of the stack in a process of its own, whose log can be read. */
export interface LoggedFunction {
  readonly url: string;
  /** The lines so far, once there are at least so many. */
  lines(atLeast: number): Promise<readonly string[]>;
  stop(): Promise<void>;
}

/**
 * Starts the real entry file beside the one that the stack runs: what the
 * stack's functions log goes to whoever started the stack.
 */
export async function startLoggedFunction(
  name: string,
): Promise<LoggedFunction> {
  const config = readSupabaseConfig(supabaseDir).functions.get(
    functionOf(name),
  );
  if (config === undefined) throw new Error(`There is no function ${name}`);
  const logged: string[] = [];
  const process = startFunction(
    config,
    functionEnv(),
    (line) => logged.push(line),
  );
  const port = await process.port;
  return {
    url: `http://127.0.0.1:${port}${pathOf(name)}`,
    async lines(atLeast) {
      const hasEnough = () => Promise.resolve(logged.length >= atLeast);
      await until(`${name} logs ${atLeast} lines`, hasEnough);
      return logged;
    },
    stop: () => process.stop(),
  };
}
