import { existsSync } from "node:fs";
import { join } from "node:path";
import type { DenoVersion } from "./deno-runtime.ts";
import { type FunctionProcess, startFunction } from "./function-process.ts";
import { type LogLine, prefixed } from "./log.ts";
import type { FunctionConfig } from "./supabase-config.ts";
import { readSupabaseConfig } from "./supabase-config.ts";
import { watchSources } from "./watch-sources.ts";

/** The edge functions of a project, each started by its first request. */
export interface Functions {
  /** The function's settings; undefined when there is no such function. */
  find(name: string): FunctionConfig | undefined;
  /** Starts it if need be; rejects when it cannot boot. */
  port(name: string): Promise<number>;
  stop(): Promise<void>;
}

/** What the host of the functions is told. */
export interface FunctionsOptions {
  supabaseDir: string;
  /** Absent = the newer one. */
  deno?: DenoVersion | undefined;
  env: Record<string, string>;
  /** Folders whose changes restart running functions; none = no hot reload. */
  watchDirs: string[];
  log: LogLine;
}

/** Makes the host; no function runs until it is asked for. */
export function hostFunctions(options: FunctionsOptions): Functions {
  let configs = readSupabaseConfig(options.supabaseDir).functions;
  const running = new Map<string, FunctionProcess>();

  const reload = () => {
    try {
      configs = readSupabaseConfig(options.supabaseDir).functions;
    } catch (error) {
      options.log(`config.toml: ${String(error)}`);
    }
    if (running.size > 0) options.log("functions | files changed, reloading");
    // The old process finishes what it has begun; the next request gets a new
    // one that reads the files afresh.
    const old = [...running.values()];
    running.clear();
    for (const process of old) void process.stop();
  };
  const watched = options.watchDirs.filter((dir) => existsSync(dir));
  const stopWatching = watchSources(watched, reload);

  return {
    find(name) {
      const config = configs.get(name);
      return config && existsSync(config.entrypoint) ? config : undefined;
    },
    port(name) {
      const present = running.get(name);
      if (present) return present.port;
      const config = configs.get(name);
      if (!config) return Promise.reject(new Error(`No function ${name}`));
      const started = startFunction(
        config,
        options.env,
        prefixed(name, options.log),
        options.deno,
      );
      running.set(name, started);
      void started.gone.then(() => {
        if (running.get(name) === started) running.delete(name);
      });
      return started.port;
    },
    async stop() {
      stopWatching();
      const all = [...running.values()];
      running.clear();
      await Promise.all(all.map((process) => process.stop()));
    },
  };
}

/** Folders that functions import from. */
export function functionSourceDirs(checkoutDir: string): string[] {
  return [
    join(checkoutDir, "supabase", "functions"),
    join(checkoutDir, "shared"),
  ];
}
