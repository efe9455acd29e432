import postgres from "postgres";
import { ApiError } from "../frame/api-error.ts";
import { jsonText } from "../json/raw-json.ts";
import { REPEATABLE, repetitionOf } from "./repetition.ts";
import type { Rpc } from "./rpc.ts";
import { noAnswer, sqlError } from "./rpc-error.ts";
import { schemaTooOld } from "./schema-version.ts";
import { Signatures } from "./signatures.ts";
import { beginOf, headersOf, statementOf } from "./transaction.ts";

/** What calls over a connection of their own need from outside. */
export interface DirectConfig {
  /** Of the transaction pooler, or of the database itself. */
  readonly databaseUrl: string;
  /** The schema that the functions are called in. */
  readonly schema: string;
  /** For all of a call: waiting for its turn, the work, a second try. */
  readonly timeoutMs: number;
}

/** A transaction on its way. */
interface Attempt {
  /** From here on it may be committed although no reply arrives. */
  isCommitting: boolean;
}

const CONNECT_TIMEOUT_S = 5;
/** An idle instance closes its connection. */
const IDLE_TIMEOUT_S = 60;
const MAX_ATTEMPTS = 2;

/**
 * An `Rpc` over one connection, which calls take in turns. Each call is one transaction with the role, the settings and the
 * time limits that PostgREST would give it, so that nothing is left on the
 * connection for the next one.
 *
 * What was not committed has not happened. So a call whose connection is lost
 * is made a second time unless its commit was on the way, and then too if it
 * may be repeated anyway.
 */
export function createDirectRpc(config: DirectConfig): Rpc {
  const { schema } = config;
  const signatures = new Signatures(schema);
  let current: postgres.Sql | undefined;
  let lastTurn: Promise<unknown> = Promise.resolve();

  // A lost connection is never used again: another one replaces it.
  const connect = (): postgres.Sql => {
    const sql = postgres(config.databaseUrl, {
      max: 1,
      // A transaction pooler gives each transaction another session.
      prepare: false,
      // Without it postgres 3.4.9 never hands out a new connection to reserve().
      fetch_types: true,
      connect_timeout: CONNECT_TIMEOUT_S,
      idle_timeout: IDLE_TIMEOUT_S,
      max_lifetime: null,
      connection: { application_name: "fairlane" },
      onnotice: () => {},
      onclose: () => forget(sql),
    });
    return sql;
  };
  const forget = (sql: postgres.Sql) => {
    if (current === sql) current = undefined;
  };
  const discard = (sql: postgres.Sql) => {
    forget(sql);
    void sql.end({ timeout: 0 }).catch(() => {});
  };

  const inTurn = <T>(
    work: () => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> => {
    const turn = lastTurn.then(() => {
      // A caller who got a timeout must not be served afterwards.
      signal.throwIfAborted();
      return work();
    });
    lastTurn = turn.catch(() => {});
    return Promise.race([turn, whenAborted(signal)]);
  };

  return async (
    name,
    args,
    requestId,
    repetition = repetitionOf(name),
    onHeaders = undefined,
  ) => {
    const signal = AbortSignal.timeout(config.timeoutMs);
    const attempt: Attempt = { isCommitting: false };

    const callOnce = async () => {
      attempt.isCommitting = false;
      const sql = current ??= connect();
      const stop = () => discard(sql);
      signal.addEventListener("abort", stop, { once: true });
      try {
        const session = await sql.reserve();
        const row = await transact(session).catch(async (error) => {
          if (!isLost(error)) {
            await session.unsafe("rollback");
            session.release();
          }
          throw error;
        });
        session.release();
        return row;
      } catch (error) {
        if (isLost(error)) discard(sql);
        throw error;
      } finally {
        signal.removeEventListener("abort", stop);
      }
    };

    const transact = async (session: postgres.Sql) => {
      const signature = await signatures.find(session, name, args);
      if (signature === undefined) throw schemaTooOld();
      await session.unsafe(beginOf(signature, requestId));
      const [row] = await session.unsafe<Said[]>(
        statementOf(schema, signature, args),
        [jsonText(args)],
      );
      // Nothing is committed after the caller got a timeout.
      signal.throwIfAborted();
      attempt.isCommitting = true;
      await session.unsafe("commit");
      return row;
    };

    for (let attempts = 1;; attempts++) {
      try {
        const row = await inTurn(callOnce, signal);
        onHeaders?.(headersOf(row?.headers ?? null));
        return row?.reply || "null";
      } catch (error) {
        if (!isLost(error)) {
          if (attempts === MAX_ATTEMPTS || !saysOtherFunction(error)) {
            throw refusalOf(error);
          }
          signatures.forget();
          continue;
        }
        if (attempt.isCommitting && !repetition.isRepeatable) {
          throw noAnswer(error, repetition);
        }
        if (signal.aborted || attempts === MAX_ATTEMPTS) {
          throw noAnswer(error, REPEATABLE);
        }
      }
    }
  };
}

/** What the statement of a call returns. */
interface Said {
  readonly reply: string;
  readonly headers: string | null;
}

/** Rejects when time is up. */
function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}

/**
 * Whether the connection is gone, or given up: by time, by the network, or by a
 * server that ends the session with its error.
 */
function isLost(error: unknown): boolean {
  if (error instanceof postgres.PostgresError) {
    return error.severity !== "ERROR";
  }
  return error instanceof Error && !(error instanceof ApiError) &&
    ("code" in error || error.name === "TimeoutError");
}

/**
 * Undefined function, and a write in a transaction that only reads: the function
 * may have been replaced since its signature was read.
 */
function saysOtherFunction(error: unknown): boolean {
  return error instanceof postgres.PostgresError &&
    (error.code === "42883" || error.code === "25006");
}

/** An error after which the transaction was rolled back. */
function refusalOf(error: unknown): unknown {
  if (!(error instanceof postgres.PostgresError)) return error;
  const { code, message, detail, hint } = error;
  return sqlError(
    { code, message, details: detail ?? null, hint: hint ?? null },
    REPEATABLE,
  );
}
