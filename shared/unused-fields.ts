import { z } from "zod";

/** Why a field that deployed clients send changes nothing, by endpoint and field. */
export type UnusedFields = Readonly<
  Record<string, Readonly<Record<string, string>>>
>;

const ROUTE = "this queue has one route per pool, and names no others";

/**
 * What deployed clients send and this queue does not use. `docs/fleet.md` has
 * the same list, and a test holds one against the other.
 */
export const UNUSED_FIELDS: UnusedFields = {
  "generate-upload-url": {
    artifact_class: "files are told apart by the task that completes with them",
  },
  "task-counts": {
    worker_backend: ROUTE,
    worker_profile: ROUTE,
    worker_pool: ROUTE,
    selector_namespace: ROUTE,
    selector_version: ROUTE,
    worker_contract_version: ROUTE,
    worker_run_id: ROUTE,
  },
  "update-task-status": {
    clear_worker: "a task that goes back has no worker in any case",
  },
};

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
): string[] {
  const known = UNUSED_FIELDS[endpoint] ?? {};
  return sent.filter((field) =>
    Object.hasOwn(known, field) || (read !== undefined && !read.has(field))
  );
}
