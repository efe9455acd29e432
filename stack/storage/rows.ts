import type { TransactionSql } from "postgres";
import postgres from "postgres";
import type { Claims } from "./caller.ts";
import { accessDenied } from "./storage-error.ts";

/** How to reach the database; undefined while it is being made anew. */
export type DatabaseSocket = () =>
  | { readonly socketDir: string; readonly port: number }
  | undefined;

/** Runs statements on Storage's tables. */
export interface Rows {
  /** In the caller's name: what row security forbids is refused or not seen. */
  as<T>(claims: Claims, work: (sql: TransactionSql) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Storage's own role: what it reads for everybody, such as a public bucket. */
export const STORAGE_ITSELF: Claims = { role: "service_role" };

const INSUFFICIENT_PRIVILEGE = "42501";

/** Connects with the first statement, and again after the database was reset. */
export function connectRows(database: DatabaseSocket): Rows {
  let open: { port: number; sql: postgres.Sql } | undefined;
  const connect = () => {
    const socket = database();
    if (!socket) throw new Error("The database is being reset");
    if (open?.port === socket.port) return open.sql;
    const sql = postgres({
      // The client takes the directory of a socket for a host, unless it is
      // given the socket itself.
      path: `${socket.socketDir}/.s.PGSQL.${socket.port}`,
      database: "postgres",
      user: "supabase_admin",
      max: 4,
      idle_timeout: 5,
      onnotice: () => {},
    });
    open = { port: socket.port, sql };
    return sql;
  };

  return {
    async as<T>(claims: Claims, work: (sql: TransactionSql) => Promise<T>) {
      const role = typeof claims["role"] === "string" ? claims["role"] : "anon";
      let result: T | undefined;
      try {
        await connect().begin(async (sql) => {
          await sql`
            select
              set_config('role', ${role}, true),
              set_config('request.jwt.claims', ${JSON.stringify(claims)}, true)
          `;
          result = await work(sql);
        });
      } catch (error) {
        const { code } = error as { code?: unknown };
        throw code === INSUFFICIENT_PRIVILEGE ? accessDenied() : error;
      }
      return result as T;
    },
    async close() {
      await open?.sql.end({ timeout: 1 });
      open = undefined;
    },
  };
}
