import type { PostgresServer } from "../../stack/postgres-server.ts";
import type { CheckoutContext } from "../step.ts";
import { applyMigrations } from "./apply.ts";
import {
  makeThrowAwayDatabase,
  type ThrowAwayDatabase,
} from "./throw-away-database.ts";

/** What a project's new tables are granted without a word of ours. */
export type Grants = "generous" | "strict";

/** A migrated database that nobody has used, under one of the two defaults. */
export async function migratedUnder(
  grants: Grants,
  server: PostgresServer,
  context: CheckoutContext,
): Promise<ThrowAwayDatabase> {
  const database = await makeThrowAwayDatabase(
    context.workDir,
    `${grants}-${server.major}`,
    grants === "generous",
    { server },
  );
  try {
    await applyMigrations(context, database.url);
    return database;
  } catch (error) {
    await database.discard();
    throw error;
  }
}

/** Both of one server, for as long as `use` takes. */
export async function withBoth<Result>(
  server: PostgresServer,
  context: CheckoutContext,
  use: (generous: ThrowAwayDatabase, strict: ThrowAwayDatabase) => Promise<
    Result
  >,
): Promise<Result> {
  const made = await Promise.allSettled([
    migratedUnder("generous", server, context),
    migratedUnder("strict", server, context),
  ]);
  const databases = made.flatMap((one) =>
    one.status === "fulfilled" ? one.value : []
  );
  try {
    const [generous, strict] = databases;
    const failed = made.find((one) => one.status === "rejected");
    if (failed) throw failed.reason;
    if (!generous || !strict) throw new Error("A database is missing");
    return await use(generous, strict);
  } finally {
    await Promise.all(databases.map((database) => database.discard()));
  }
}
