/** Severity, as the platform's log viewer filters it. */
export type LogLevel = "info" | "warn" | "error";

/** What a log line may hold: names, ids and numbers, never bodies or headers. */
export type LogFields = Readonly<
  Record<string, string | number | boolean | undefined>
>;

/** Where finished lines go; `console` in production, an array in tests. */
export type LogSink = (level: LogLevel, line: string) => void;

const REDACTED = "[redacted]";
/** Anything that looks like a key or a JWT, in any field. */
const KEY_SHAPE = /sb_(?:secret|publishable)_[\w-]+|eyJ[\w-]+\.[\w-]+\.[\w-]*/g;
/** Shorter credentials are words; removing words would spoil every line. */
const MIN_SECRET_LENGTH = 16;

/**
 * Writes one event as one line of JSON, which makes line breaks and terminal
 * escapes in client-chosen names harmless. `secrets` are the credentials of the
 * request: a client may have put them into a field by mistake.
 */
export function writeLog(
  sink: LogSink,
  level: LogLevel,
  event: string,
  fields: LogFields,
  secrets: readonly string[] = [],
): void {
  const clean = (value: string) =>
    secrets.filter((secret) => secret.length >= MIN_SECRET_LENGTH)
      .reduce((text, secret) => text.replaceAll(secret, REDACTED), value)
      .replace(KEY_SHAPE, REDACTED);
  const line = JSON.stringify(
    { level, event, ...fields },
    (_name, value) => typeof value === "string" ? clean(value) : value,
  );
  sink(level, line);
}

/** The level at which a reply of this status is logged. */
export function levelOf(status: number): LogLevel {
  if (status >= 500) return "error";
  return status >= 400 ? "warn" : "info";
}
