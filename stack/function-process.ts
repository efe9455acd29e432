import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { startChild, stopChild } from "./child.ts";
import {
  type DenoRuntime,
  denoRuntime,
  type DenoVersion,
} from "./deno-runtime.ts";
import { lineSplitter, type LogLine } from "./log.ts";
import type { FunctionConfig } from "./supabase-config.ts";

/** One running Deno process that serves one function. */
export interface FunctionProcess {
  /** Settles when it listens; rejects with Deno's words when it cannot. */
  port: Promise<number>;
  /** Settles when it is gone. */
  gone: Promise<void>;
  stop(): Promise<void>;
}

const bootFile = fileURLToPath(new URL("./boot.ts", import.meta.url));
const bootPatienceMs = 60_000;

/** Starts a function's entry file in a process of its own. */
export function startFunction(
  config: FunctionConfig,
  env: Record<string, string>,
  log: LogLine,
  deno: DenoVersion = "2.9",
): FunctionProcess {
  // Not `deno run --watch`: in watch mode the process survives its own
  // Deno.exit(), and so would outlive us.
  const runtime = denoRuntime(deno);
  const child = startChild(runtime.program, denoArguments(config, runtime), {
    cwd: dirname(config.entrypoint),
    env: {
      ...env,
      DENO_DIR: runtime.cacheDir,
      DENO_NO_UPDATE_CHECK: "1",
      NO_COLOR: "1",
    },
    stdio: ["pipe", "pipe", "pipe"],
    deathSignal: "TERM",
  });

  const gone = new Promise<void>((resolve) => {
    child.once("close", () => resolve());
    child.once("error", () => resolve());
  });
  let patience: ReturnType<typeof setTimeout> | undefined;
  const port = new Promise<number>((resolve, reject) => {
    let lastWords = "";
    const onLine = (line: string) => {
      const announced = /^\0listening (\d+)$/.exec(line)?.[1];
      if (announced) return resolve(Number(announced));
      lastWords = `${lastWords}${line}\n`.slice(-4000);
      log(line);
    };
    child.stdout?.on("data", lineSplitter(onLine));
    child.stderr?.on("data", lineSplitter(onLine));
    child.once("error", reject);
    child.once("close", () => reject(new Error(bootError(lastWords))));
    patience = setTimeout(() => {
      reject(new Error(`It did not listen within ${bootPatienceMs} ms`));
      child.kill("SIGKILL");
    }, bootPatienceMs);
  });
  // Listening or gone: in either case the wait is over. Nobody asking for the
  // port of a function that did not start is no crash.
  const stopWaiting = () => clearTimeout(patience);
  port.then(stopWaiting, stopWaiting);
  // A process that dies while we write to it is reported by "close".
  child.stdin?.on("error", () => {});

  return {
    port,
    gone,
    stop: () => stopChild(child, "SIGTERM", "SIGKILL", 5_000),
  };
}

function denoArguments(
  { entrypoint, denoConfig }: FunctionConfig,
  { readsLock }: DenoRuntime,
): string[] {
  const lock = readsLock && denoConfig &&
    join(dirname(denoConfig), "deno.lock");
  return [
    "run",
    "--no-prompt",
    "--quiet",
    // Everything was fetched by the setup; a stray import must not be.
    "--cached-only",
    lock && existsSync(lock) ? "--frozen" : "--no-lock",
    ...(denoConfig ? [`--config=${denoConfig}`] : ["--no-config"]),
    // The rights of the hosted runtime: network and environment, no writing
    // but to /tmp, no programs.
    "--allow-net",
    "--allow-env",
    "--allow-read",
    "--allow-sys",
    "--allow-write=/tmp",
    bootFile,
    pathToFileURL(entrypoint).href,
  ];
}

function bootError(lastWords: string): string {
  const [, first] = /^error: (.*(?:\n.+)*)/m.exec(lastWords) ?? [];
  const words = (first ?? lastWords).trim() || "It ended without a word";
  return words.includes("--cached-only")
    ? `${words}\nA new package? Run "node stack/setup.mjs" to fetch it`
    : words;
}
