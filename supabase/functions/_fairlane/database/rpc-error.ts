import { z } from "zod";
import { isErrorCode } from "../../../../shared/error-codes.ts";
import { isJsonObject } from "../../../../shared/fields.ts";
import { ApiError, withoutValues } from "../frame/api-error.ts";
import type { Repetition } from "./repetition.ts";
import { schemaTooOld } from "./schema-version.ts";

/** PostgREST's word for a function that is not there, or takes other arguments. */
const NO_SUCH_FUNCTION = "PGRST202";

/** PostgREST's error body; of an unknown body every field is null. */
const PostgrestError = z.object({
  code: z.string().nullable().catch(null),
  message: z.string().catch(""),
  details: z.string().nullable().catch(null),
  hint: z.string().nullable().catch(null),
});

/**
 * Connection lost, no resources, shutting down, cancelled, deadlock, lock not
 * obtained; PGRST000 to 003 are PostgREST's own words for no database.
 */
const TRANSIENT = /^(08...|53...|57P0[123]|57014|40P01|55P03|PGRST00[0-3])$/;

/**
 * What a failed rpc means for our caller. Only errors that our own SQL raised
 * (`PT<status>` with a known code in `details`) are passed on; every other text
 * speaks of tables and columns and stays in the log.
 */
export function rpcError(
  status: number,
  body: string,
  { hint }: Repetition,
): ApiError {
  const error = PostgrestError.parse(readObject(body));
  if (error.code === NO_SUCH_FUNCTION) return schemaTooOld();
  if (error.code?.startsWith("PT") && isErrorCode(error.details)) {
    return new ApiError(error.details, error.message, {
      hint: error.hint ?? undefined,
    });
  }
  const logged = {
    upstream_status: status,
    sqlstate: error.code ?? "",
    cause: withoutValues(error.message),
  };
  return isTransient(status, error.code)
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
