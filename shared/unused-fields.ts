import { z } from "zod";
import { ROUTING_FIELDS } from "./counts.ts";

/**
 * Fields that deployed clients send and this queue does not use, by endpoint.
 * `docs/fleet.md` says why; a test holds one list against the other.
 */
export const UNUSED_FIELDS: Readonly<Record<string, readonly string[]>> = {
  "generate-upload-url": ["artifact_class"],
  "task-counts": ROUTING_FIELDS,
  "update-task-status": ["clear_worker"],
};

/** The same for calls with a token, whose machine's model is not known. */
export const UNUSED_WITH_A_TOKEN: Readonly<Record<string, readonly string[]>> =
  { "claim-next-task": ["same_model_only", "max_task_wait_minutes"] };

/** The fields that a body's schema reads; undefined when that cannot be told. */
export function fieldsOf(schema: z.ZodType): ReadonlySet<string> | undefined {
  if (schema instanceof z.ZodObject) return new Set(Object.keys(schema.shape));
  if (schema instanceof z.ZodPipe) return fieldsOf(schema.in as z.ZodType);
  return undefined;
}

/**
 * The fields of a body that change nothing: those that are known to be unused,
 * and those that the endpoint does not read (`read` undefined: not known).
 */
export function unusedOf(
  endpoint: string,
  sent: readonly string[],
  read: ReadonlySet<string> | undefined,
  hasToken = false,
): string[] {
  const known = [
    ...UNUSED_FIELDS[endpoint] ?? [],
    ...hasToken ? UNUSED_WITH_A_TOKEN[endpoint] ?? [] : [],
  ];
  return sent.filter((field) =>
    known.includes(field) || (read !== undefined && !read.has(field))
  );
}
