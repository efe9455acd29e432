import { expect, test } from "vitest";
import { KEYS } from "../_test/fakes.ts";
import { levelOf, writeLog } from "./log.ts";

function logged(
  fields: Record<string, string | undefined>,
  secrets: string[] = [],
): string {
  const lines: string[] = [];
  writeLog((_level, line) => lines.push(line), "info", "x", fields, secrets);
  expect(lines).toHaveLength(1);
  return lines.join();
}

test("writeLog() writes one line, whatever a name contains", () => {
  const line = logged({ worker_id: 'a\r\nb\u001b[31m","level":"error' });
  expect(line).not.toMatch(/\p{Cc}/u);
  expect(JSON.parse(line)).toMatchObject({ level: "info" });
});

test("writeLog() leaves absent fields out", () => {
  expect(logged({ code: undefined })).toBe('{"level":"info","event":"x"}');
});

test.each([KEYS.secret, KEYS.legacyService, KEYS.publishable])(
  "writeLog() recognises %s as a key",
  (key) => expect(logged({ worker_id: `a ${key}` })).not.toContain(key),
);

test("writeLog() cuts out the request's own credential", () => {
  const line = logged({ worker_id: `x${KEYS.token}y` }, [KEYS.token, "info"]);
  expect(JSON.parse(line)).toEqual({
    level: "info",
    event: "x",
    worker_id: "x[redacted]y",
  });
});

test("writeLog() keeps ordinary names with dots", () => {
  const name = "gpu-20250723.host-0123456789.example";
  expect(logged({ worker_id: name })).toContain(name);
});

test.each([[200, "info"], [204, "info"], [404, "warn"], [503, "error"]])(
  "levelOf(%s) is %s",
  (status, level) => expect(levelOf(status)).toBe(level),
);
