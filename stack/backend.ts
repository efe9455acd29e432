import { bootstrap } from "./bootstrap.ts";
import { startCronTimer } from "./cron/timer.ts";
import { type LogLine, prefixed } from "./log.ts";
import {
  endFirstStart,
  isFirstStart,
  removeIfUnfinished,
} from "./interrupted-start.ts";
import { migrate } from "./migrate.ts";
import { pickFreePort, settlePort, type WantedPort } from "./ports.ts";
import { PortTaken, type Postgres, startPostgres } from "./postgres.ts";
import type { Durable } from "./postgres-settings.ts";
import { type Postgrest, startPostgrest } from "./postgrest.ts";
import { seed } from "./seed.ts";
import { runSqlFiles } from "./sql.ts";
import { databaseUrl } from "./stack-addresses.ts";
import type { StartReport } from "./start-report.ts";
import type { StateDirs } from "./state-dir.ts";
import type { ApiConfig } from "./supabase-config.ts";

/** The database with everything in it, and its HTTP face. */
export interface Backend {
  postgres: Postgres;
  postgrest: Postgrest;
  stop(): Promise<void>;
}

/** How the database is made. */
export interface BackendOptions {
  dirs: StateDirs;
  /** Undefined = any free port. */
  dbPort: WantedPort | undefined;
  /** Hears which port is used instead of a taken one. */
  say: LogLine;
  report: StartReport;
  durable: Durable;
  seed: boolean;
  /** Absent = supabase/migrations. */
  migration: string | undefined;
  api: ApiConfig;
  log: LogLine;
}

/** Starts Postgres, brings the database up to date, starts PostgREST. */
export async function startBackend(options: BackendOptions): Promise<Backend> {
  const { dirs, api, log, report } = options;
  removeIfUnfinished(dirs, log);
  const postgres = await report.time(
    "Postgres",
    () => startOnSomePort(options),
  );
  try {
    await report.time("migrations", async () => {
      if (isFirstStart(dirs)) {
        log("An earlier first start was interrupted; this one does the rest");
        report.found = "a part";
      }
      const isNew = await bootstrap(postgres, dirs, api.exposeNewTables);
      if (isNew) report.found = "nothing";
      const { migration } = options;
      if (migration === undefined) {
        await migrate(postgres, databaseUrl("postgres", postgres.port));
      } else if (isNew) {
        await runSqlFiles(postgres, { role: "postgres" }, [migration]);
      }
      if (options.seed) await seed(postgres, dirs);
      endFirstStart(dirs);
    });
    const postgrest = await report.time(
      "PostgREST",
      () => startPostgrest(postgres, api, prefixed("postgrest", log)),
    );
    const cronTimer = dirs.server.hasCron
      ? undefined
      : startCronTimer(postgres, prefixed("cron stand-in", log));
    return {
      postgres,
      postgrest,
      async stop() {
        await cronTimer?.stop();
        await postgrest.stop();
        await postgres.stop();
      },
    };
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}

async function startOnSomePort(options: BackendOptions): Promise<Postgres> {
  const log = prefixed("postgres", options.log);
  const { dirs, durable, dbPort } = options;
  // Postgres cannot pick a port itself, and a free one may be gone by the time
  // it binds.
  for (let attempts = 5;; attempts--) {
    const port = dbPort
      ? await settlePort(dbPort, options.say)
      : await pickFreePort();
    try {
      return await startPostgres({ dirs, durable, port, log });
    } catch (error) {
      if (!(error instanceof PortTaken) || attempts === 0) throw error;
    }
  }
}
