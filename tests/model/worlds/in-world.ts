import { admin, type Connection } from "../../support/db.ts";
import { settled } from "./settle.ts";
import type { World } from "./world.ts";
import { writeWorld } from "./write-world.ts";

/**
 * Runs in a transaction that sees this world, as it is once everything has
 * been settled, and leaves nothing behind.
 */
export async function inWorld(
  world: World,
  run: (sql: Connection, world: World) => Promise<void>,
): Promise<void> {
  await inTransaction(async (sql) => {
    await writeWorld(sql, world);
    await run(sql, settled(world));
  });
}

/** Runs in a transaction that leaves nothing behind. */
export async function inTransaction(
  run: (sql: Connection) => Promise<void>,
): Promise<void> {
  const sql = admin();
  await sql.unsafe("begin");
  try {
    await run(sql);
  } finally {
    await sql.unsafe("rollback");
  }
}

/** Runs something whose effects are taken back at once. */
export async function tentatively(
  sql: Connection,
  run: () => Promise<void>,
): Promise<void> {
  await sql.unsafe("savepoint tentative");
  await run();
  await sql.unsafe("rollback to tentative");
}
