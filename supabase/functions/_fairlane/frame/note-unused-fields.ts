import { fieldsOf, unusedOf } from "../../../../shared/unused-fields.ts";
import type { Caller } from "../callers/caller.ts";
import { asApiError } from "./api-error.ts";
import type { Endpoint, EndpointDeps } from "./endpoint.ts";
import { writeLog } from "./log.ts";

/** How often an instance writes its counts at most. */
const WRITE_EVERY_MS = 60_000;
/** The most names that are kept; more are a caller's invention. */
const MAX_FIELDS = 50;
const MAX_NAME = 63;

/** How often each field was sent since the last write. */
export type FieldCounts = Readonly<Record<string, number>>;

/**
 * Counts the unused fields of requests to one endpoint. An instance writes at
 * most once a minute; counts that it holds when it ends are lost.
 */
export class UnusedFieldCounter {
  readonly #counts = new Map<string, number>();
  #writtenAt = Number.NEGATIVE_INFINITY;

  /** Counts them; returns what has to be written now, if anything. */
  count(fields: readonly string[], nowMs: number): FieldCounts | undefined {
    for (const field of fields) {
      if (field.length > MAX_NAME) continue;
      const before = this.#counts.get(field);
      if (before === undefined && this.#counts.size >= MAX_FIELDS) continue;
      this.#counts.set(field, (before ?? 0) + 1);
    }
    if (this.#counts.size === 0) return undefined;
    if (nowMs - this.#writtenAt < WRITE_EVERY_MS) return undefined;
    this.#writtenAt = nowMs;
    const counts = Object.fromEntries(this.#counts);
    this.#counts.clear();
    return counts;
  }
}

/** Notes which of the fields that a caller sent are not used. */
export type NoteUnusedFields = (
  caller: Caller,
  sent: readonly string[],
  requestId: string,
) => void;

/** Tells the operator, not the client. */
export function createNoteUnusedFields<Body>(
  { rpc, now, log, after }: EndpointDeps,
  { name, schema, fields }: Pick<Endpoint<Body>, "name" | "schema" | "fields">,
): NoteUnusedFields {
  const read = fields ? new Set(fields) : fieldsOf(schema);
  const counter = new UnusedFieldCounter();
  return (caller, sent, requestId) => {
    // Unknown names count only when the operator's own programs send them.
    const known = caller.kind === "service" ? read : undefined;
    const unused = unusedOf(name, sent, known, caller.kind === "token");
    const counts = counter.count(unused, now());
    if (counts === undefined) return;
    const args = {
      p_caller: { kind: "service" },
      p_endpoint: name,
      p_counts: counts,
    };
    after(
      rpc("note_unused_fields", args, requestId).then(
        () => undefined,
        (thrown) =>
          writeLog(log, "warn", "unused fields were not noted", {
            request_id: requestId,
            function: name,
            code: asApiError(thrown).code,
          }),
      ),
    );
  };
}
