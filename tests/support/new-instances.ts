import { type Functions, hostFunctions } from "../../stack/functions.ts";
import { supabaseDir } from "../../stack/paths.ts";
import { functionOf } from "./profile.ts";
import { callFunction, type CallOptions, type Reply } from "./http.ts";
import { functionEnv } from "./stack.ts";

/** Instances of the stack's functions that nobody has called before. */
export class NewInstances {
  readonly #said: string[] = [];
  readonly #functions: Functions = hostFunctions({
    supabaseDir,
    env: functionEnv(),
    watchDirs: [],
    log: (line) => this.#said.push(line),
  });

  /** What they have logged. */
  get said(): readonly string[] {
    return this.#said;
  }

  /** Calls one of them, which is started if it does not run yet. */
  async call(
    name: string,
    body: unknown,
    options: CallOptions = {},
  ): Promise<Reply> {
    const port = await this.#functions.port(functionOf(name));
    const at = `http://127.0.0.1:${port}`;
    return await callFunction(name, body, { ...options, at });
  }

  stop(): Promise<void> {
    return this.#functions.stop();
  }
}
