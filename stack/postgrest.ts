import type { ChildProcess } from "node:child_process";
import { rmSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startChild, stopChild } from "./child.ts";
import { jwtSecret } from "./keys.ts";
import { lineSplitter, type LogLine } from "./log.ts";
import type { Postgres } from "./postgres.ts";
import { postgrestProgram } from "./postgrest-program.ts";
import type { ApiConfig } from "./supabase-config.ts";

/** A running PostgREST. */
export interface Postgrest {
  socketPath: string;
  stop(): Promise<void>;
}

const readyPatienceMs = 120_000;

/** One that ends sooner than this is not started again at once. */
const shortLifeMs = 5_000;
const pauseMs = 1_000;

/** What it says at every start, of use only when the start fails. */
const startupChatter =
  /: (Starting PostgREST|Attempting to connect|Connection success|Listening|Config reloaded|Schema cache loaded)/;

/** Starts PostgREST on a unix socket and waits until it knows the schema. */
export async function startPostgrest(
  postgres: Postgres,
  api: ApiConfig,
  log: LogLine,
): Promise<Postgrest> {
  const socketPath = join(postgres.socketDir, "postgrest.sock");
  let stopping = false;
  let child: ChildProcess;
  let isStarting = true;
  let firstWords = "";
  const onLine = (line: string) => {
    if (isStarting) firstWords += `${line}\n`;
    else if (!startupChatter.test(line)) log(line);
  };

  const launch = () => {
    rmSync(socketPath, { force: true });
    const began = Date.now();
    child = startChild(postgrestProgram(), [], {
      cwd: "/",
      env: environment(postgres, api, socketPath),
      stdio: ["ignore", "pipe", "pipe"],
      deathSignal: "TERM",
    });
    child.stdout?.on("data", lineSplitter(onLine));
    child.stderr?.on("data", lineSplitter(onLine));
    child.once("exit", (code) => {
      if (stopping) return;
      log(`ended unexpectedly (exit code ${code}), starting it again`);
      const pause = Date.now() - began < shortLifeMs ? pauseMs : 0;
      setTimeout(() => stopping || launch(), pause);
    });
  };
  const stop = async () => {
    stopping = true;
    await stopChild(child, "SIGTERM", "SIGKILL", 5_000);
    rmSync(socketPath, { force: true });
  };

  launch();
  const deadline = Date.now() + readyPatienceMs;
  while (!await isReady(socketPath)) {
    if (Date.now() > deadline) {
      await stop();
      throw new Error(`PostgREST did not become ready:\n${firstWords}`);
    }
    await delay(20);
  }
  isStarting = false;
  return { socketPath, stop };
}

function environment(
  postgres: Postgres,
  api: ApiConfig,
  socketPath: string,
): Record<string, string> {
  // Over the socket no password is exchanged, which is most of the cost of a
  // new connection.
  const socketDir = encodeURIComponent(postgres.socketDir);
  return {
    PATH: "/usr/bin:/bin",
    LC_ALL: "C.UTF-8",
    PGRST_DB_URI: `postgresql://authenticator@/postgres` +
      `?host=${socketDir}&port=${postgres.port}`,
    PGRST_DB_SCHEMAS: api.schemas.join(","),
    PGRST_DB_EXTRA_SEARCH_PATH: api.extraSearchPath.join(","),
    PGRST_DB_MAX_ROWS: String(api.maxRows),
    PGRST_DB_ANON_ROLE: "anon",
    PGRST_DB_POOL: "10",
    PGRST_JWT_SECRET: jwtSecret,
    PGRST_SERVER_UNIX_SOCKET: socketPath,
    PGRST_LOG_LEVEL: "error",
  };
}

/** Until the schema is read, every request is answered with 503. */
function isReady(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = request(
      { socketPath, path: "/rpc/stack_readiness_probe" },
      (reply) => {
        reply.resume();
        resolve(reply.statusCode === 404);
      },
    );
    probe.once("error", () => resolve(false));
    probe.end();
  });
}
