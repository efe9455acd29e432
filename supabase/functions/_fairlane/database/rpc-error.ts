import { z } from "zod";
import { isErrorCode } from "../../../../shared/error-codes.ts";
import { isJsonObject } from "../../../../shared/fields.ts";
import { ApiError, withoutValues } from "../frame/api-error.ts";
import type { Repetition } from "./repetition.ts";
import { schemaTooOld } from "./schema-version.ts";

/** PostgREST's code for a function that is missing or takes other arguments. */
const NO_SUCH_FUNCTION = "PGRST202";

/** PostgREST's error body; for an unknown body every field is null. */
const PostgrestError = z.object({
  code: z.string().nullable().catch(null),
  message: z.string().catch(""),
  details: z.string().nullable().catch(null),
  hint: z.string().nullable().catch(null),
});

/**
 * Connection lost, no resources, shutting down, cancelled, deadlock, lock not
 * obtained; PGRST000 to 003 are PostgREST's own codes for no database.
 */
const TRANSIENT =
  /^(08...|53...|57P0[123]|57014|40001|40P01|55P03|PGRST00[0-3])$/;

/** An error of the database, in the form that both kinds of `Rpc` report. */
export type SqlError = z.infer<typeof PostgrestError>;

/** What a failed rpc means for our caller, from PostgREST's reply. */
export function rpcError(
  status: number,
  body: string,
  repetition: Repetition,
): ApiError {
  const error = PostgrestError.parse(readObject(body));
  if (error.code === NO_SUCH_FUNCTION) return schemaTooOld();
  return apiErrorOf(error, repetition, {
    isTransient: isTransient(status, error.code),
    logged: { upstream_status: status },
  });
}

/** The same for an error that Postgres itself has answered. */
export function sqlError(error: SqlError, repetition: Repetition): ApiError {
  return apiErrorOf(error, repetition, {
    isTransient: isTransient(500, error.code),
    logged: {},
  });
}

/** What it means when a call got no reply. */
export function noAnswer(error: unknown, { hint }: Repetition): ApiError {
  const { code, name } = error instanceof Error
    ? error as Error & { readonly code?: unknown }
    : { code: undefined, name: typeof error };
  const cause = typeof code === "string" ? code : name;
  return new ApiError("UNAVAILABLE", "The database did not answer in time", {
    hint,
    logged: { cause },
  });
}

/**
 * Only errors that our own SQL raised (`PT<status>` with a known code in
 * `details`) are passed on; every other text names tables and columns and
 * stays in the log.
 */
function apiErrorOf(
  error: SqlError,
  { hint }: Repetition,
  { isTransient, logged: upstream }: {
    readonly isTransient: boolean;
    readonly logged: Readonly<Record<string, number>>;
  },
): ApiError {
  if (error.code?.startsWith("PT") && isErrorCode(error.details)) {
    return new ApiError(error.details, error.message, {
      hint: error.hint ?? undefined,
    });
  }
  const logged = {
    ...upstream,
    sqlstate: error.code ?? "",
    cause: withoutValues(error.message),
  };
  return isTransient
    ? new ApiError("UNAVAILABLE", "The database cannot answer right now", {
      hint,
      logged,
    })
    : new ApiError("INTERNAL", "The request could not be processed", {
      logged,
    });
}

/**
 * An error without a code comes from a dying database or from a gateway in
 * between: PostgREST then answers 5xx and, now and then, 400 with `code: ""`.
 */
function isTransient(status: number, code: string | null): boolean {
  if (code) return TRANSIENT.test(code);
  return status >= 500 || status === 429 || (status === 400 && code === "");
}

function readObject(body: string): object {
  try {
    const value: unknown = JSON.parse(body);
    return isJsonObject(value) ? value : {};
  } catch {
    return {};
  }
}
