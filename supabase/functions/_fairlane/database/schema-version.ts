import { z } from "zod";
import { isJsonObject } from "../../../../shared/fields.ts";
import { isOlderThan, VERSION } from "../../../../shared/version.ts";
import { ApiError } from "../frame/api-error.ts";

/** Refuses to work with an older database; `schema` is its version, if known. */
export function schemaTooOld(schema?: string): ApiError {
  const found = schema === undefined ? "an older one" : schema;
  return new ApiError(
    "SCHEMA_TOO_OLD",
    `The functions are of version ${VERSION}, and the database has ${found}`,
    { hint: "Run npx supabase db push --remote, then repeat the request" },
  );
}

/** The reply of `health`, unless it reports a schema that is too old. */
export function ofThisVersion(reply: string): string {
  const told: unknown = JSON.parse(reply);
  if (!isJsonObject(told)) return reply;
  const version = z.string().safeParse(told["version"]).data;
  if (version === undefined || isOlderThan(version)) {
    throw schemaTooOld(version);
  }
  return reply;
}
