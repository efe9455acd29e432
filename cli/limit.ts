import type postgres from "postgres";
import { codeOf, connect, reasonOf } from "./connection.ts";
import { Impossible } from "./install.ts";

/** How many tasks may run at once: of everybody, and of those who have a limit of their own. */
export interface Limits {
  readonly default: number;
  readonly owners: readonly {
    readonly owner: string;
    readonly limit: number;
  }[];
}

/** Which limit, and what becomes of it. */
export interface LimitOptions {
  /** Whose, a UUID; undefined: everybody's who has none of their own. */
  readonly owner: string | undefined;
  /** What it is to be; null: the default again. Undefined: as it is. */
  readonly limit: number | null | undefined;
}

/** More than these are not listed. */
const MOST = 1000;

/** Sets a limit, if one is given, and reads those that then hold; Impossible when the database refuses it. */
export async function limits(
  url: string,
  { owner, limit }: LimitOptions,
): Promise<Limits> {
  let sql: postgres.Sql | undefined;
  try {
    sql = connect(url);
    return await sql.begin(async (transaction) => {
      await transaction.unsafe("set local lock_timeout = '5s'");
      if (limit !== undefined) await set(transaction, owner, limit);
      return await read(transaction, owner);
    });
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    throw new Impossible(reasonOf(error));
  } finally {
    await sql?.end({ timeout: 5 });
  }
}

async function set(
  sql: postgres.TransactionSql,
  owner: string | undefined,
  limit: number | null,
): Promise<void> {
  if (owner === undefined) {
    await sql`update fairlane_core.settings set default_task_limit = ${limit}`;
    return;
  }
  await sql`select fairlane_core.register_owner(${owner})`;
  await sql`
    update fairlane.owners set max_in_progress = ${limit}
    where id = ${owner} and max_in_progress is distinct from ${limit}
  `;
}

async function read(
  sql: postgres.TransactionSql,
  owner: string | undefined,
): Promise<Limits> {
  const [settings] = await sql<{ limit: number }[]>`
    select default_task_limit as "limit" from fairlane_core.settings
  `;
  const owners = await sql<{ owner: string; limit: number }[]>`
    select id as owner, max_in_progress as "limit" from fairlane.owners
    where max_in_progress is not null and (${
    owner ?? null
  }::uuid is null or id = ${owner ?? null})
    order by id
    limit ${MOST}
  `;
  return { default: settings?.limit ?? 0, owners: [...owners] };
}

/** In words. */
export function asLines({ default: everybody, owners }: Limits): string {
  return [
    `Everybody: ${everybody} at once`,
    ...owners.map(({ owner, limit }) => `${owner}: ${limit}`),
    ...owners.length === MOST ? [`(the first ${MOST})`] : [],
  ].join("\n");
}
