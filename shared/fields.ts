import { z } from "zod";
import { sanitiseText } from "./sanitise-text.ts";

/** Makes a field optional; `null` means absent, as clients in Python send it. */
export function optional<T extends z.ZodType>(schema: T) {
  return schema.nullish().transform((value) => value ?? undefined);
}

const UUID_SPELLING =
  /^(?:urn:uuid:)?(\{?)([\da-f]{8})-?([\da-f]{4})-?([\da-f]{4})-?([\da-f]{4})-?([\da-f]{12})(\}?)$/;

/** The canonical form of any spelling of a UUID, or null when it is none. */
export function canonicalUuid(text: string): string | null {
  // The longest spelling has 47 characters; longer text is not worth a regex.
  if (text.length > 64) return null;
  const match = UUID_SPELLING.exec(text.trim().toLowerCase());
  if (match === null) return null;
  const [, open, ...rest] = match;
  const close = rest.pop();
  if ((open === "") !== (close === "")) return null;
  return rest.join("-");
}

/** A UUID in any usual spelling, read as its lower-case hyphened form. */
export const Uuid = z.string({ error: "must be a UUID" }).transform(
  (text, context) => {
    const uuid = canonicalUuid(text);
    if (uuid !== null) return uuid;
    context.addIssue({ code: "custom", message: "must be a UUID" });
    return z.NEVER;
  },
);

/** A name chosen by a client: 1 to `max` characters that Postgres can store. */
export function name(max: number) {
  const error = `must be a string of 1 to ${max} characters`;
  return z.string({ error }).min(1, { error }).max(max, { error })
    .transform(sanitiseText);
}

/** True or false; text such as "true" is refused. */
export const Flag = z.boolean({ error: "must be true or false" });

/**
 * Text of any length and kind, because it may be all that is known of a
 * failure: objects and numbers become their JSON text, "" means absent.
 */
export const FreeText = z.unknown().optional().transform(
  (value): string | undefined => {
    if (value === null || value === undefined || value === "") return undefined;
    return sanitiseText(
      typeof value === "string" || typeof value === "number"
        ? String(value)
        : JSON.stringify(value),
    );
  },
);

/** The spellings of yes and no, also of clients without booleans. */
const FLAGS: ReadonlyMap<unknown, boolean> = new Map<unknown, boolean>([
  [true, true],
  [1, true],
  ["true", true],
  ["1", true],
  ["yes", true],
  ["on", true],
  [false, false],
  [0, false],
  ["false", false],
  ["0", false],
  ["no", false],
  ["off", false],
]);

/** A flag of a report; anything that is neither yes nor no counts as absent. */
export const ReportedFlag = z.unknown().optional().transform(
  (value): boolean | undefined =>
    FLAGS.get(typeof value === "string" ? value.trim().toLowerCase() : value),
).meta({ type: "boolean" });

/** A count in a report; anything but a whole number counts as absent. */
export const ReportedCount = z.unknown().optional().transform(
  (value): number | undefined => {
    const number = typeof value === "string" ? Number(value || NaN) : value;
    const isCount = typeof number === "number" && Number.isInteger(number) &&
      number >= 0 && number < 2 ** 31;
    return isCount ? number : undefined;
  },
).meta({ type: "integer" });

/** An id in a report; anything but a UUID counts as absent. */
export const ReportedUuid = z.unknown().optional().transform(
  (value): string | undefined =>
    typeof value === "string" ? canonicalUuid(value) ?? undefined : undefined,
).meta({ type: "string", format: "uuid" });

/**
 * The lease that a report names. Anything but a UUID was never a lease, so the
 * report counts as that of a client that knows of no leases.
 */
export const Lease = ReportedUuid;

/** The data of a report, which may be anything: see `reportedData`. */
export const ReportedData = z.unknown().optional().meta({ type: "object" });

/** True for a JSON object: no array, no null. */
export function isJsonObject(
  value: unknown,
): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A JSON object; kept as the very value that was parsed, never copied. */
export const JsonObject = z.custom<Record<string, unknown>>(isJsonObject, {
  error: "must be a JSON object",
});
