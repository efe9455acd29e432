import { join } from "node:path";
import { bootstrap } from "../../stack/bootstrap.ts";
import { pickFreePort } from "../../stack/ports.ts";
import {
  chosenServer,
  type PostgresServer,
} from "../../stack/postgres-server.ts";
import {
  type Postgres,
  removeDatabase,
  startPostgres,
} from "../../stack/postgres.ts";
import { runOrThrow } from "../../stack/run.ts";
import { databaseUrl } from "../../stack/stack-addresses.ts";
import { prepareStateDirs, removeStateDirs } from "../../stack/state-dir.ts";

/** A Postgres of its own that looks like a new Supabase project. */
export interface ThrowAwayDatabase {
  readonly url: string;
  /** The same, for the superuser. */
  readonly adminUrl: string;
  readonly postgres: Postgres;
  /** Stops it; where its data is, for copies of it. */
  keep(): Promise<string>;
  /** Stops it and deletes what it kept. */
  discard(): Promise<void>;
}

/**
 * Makes an empty database. A cluster of its own and not a second database of
 * the stack's: pg_cron can be in one database of a cluster only.
 */
export async function makeThrowAwayDatabase(
  workDir: string,
  name: string,
  exposeNewTables: boolean,
  options: {
    server?: PostgresServer;
    environment?: Record<string, string>;
    /** The data of a database that was kept; as if by itself, and quicker. */
    copyOf?: string;
  } = {},
): Promise<ThrowAwayDatabase> {
  const { server = chosenServer(), environment = {}, copyOf } = options;
  const dirs = prepareStateDirs(join(workDir, name), server);
  await removeDatabase(dirs);
  const dataDir = join(dirs.postgres, "data");
  if (copyOf) await runOrThrow("cp", "cp", ["-a", copyOf, dataDir]);
  const port = await pickFreePort();
  const log = () => {};
  const postgres = await startPostgres({
    dirs,
    port,
    durable: false,
    environment,
    log,
  });
  const discard = async () => {
    await postgres.stop();
    removeStateDirs(dirs);
  };
  try {
    await bootstrap(postgres, dirs, exposeNewTables);
  } catch (error) {
    await discard();
    throw error;
  }
  return {
    url: databaseUrl("postgres", port),
    adminUrl: databaseUrl("supabase_admin", port),
    postgres,
    async keep() {
      await postgres.stop();
      return dataDir;
    },
    discard,
  };
}
