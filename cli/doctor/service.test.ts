import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { examineService } from "./service.ts";

const KEY = "sb_secret_of_a_test";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

interface Answer {
  readonly status?: number;
  /** Of the function; without it somebody else answers. */
  readonly version?: string;
  readonly body?: unknown;
}

/** A project that gives one answer, and what it was asked. */
async function project({ status = 200, version, body = "" }: Answer) {
  const asked: { path?: string; authorization?: string }[] = [];
  const server = createServer((request, response) => {
    asked.push({
      path: `${request.method} ${request.url}`,
      authorization: `${request.headers.authorization}`,
    });
    response.writeHead(status, {
      connection: "close",
      ...version === undefined ? {} : { "x-fairlane-version": version },
      ...status === 302 ? { location: "/elsewhere" } : {},
    });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  });
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  return { base: `http://127.0.0.1:${port}/`, asked };
}

async function examine(answer: Answer) {
  const { base } = await project(answer);
  const examined = await examineService(base, KEY, "1.2.3");
  expect(JSON.stringify(examined)).not.toContain(KEY);
  return examined;
}

async function codes(answer: Answer): Promise<string[]> {
  const { findings } = await examine(answer);
  return findings.map(({ severity, code }) => `${severity} ${code}`);
}

const OK = { version: "1.2.3", status: "ok", reasons: [], notices: [] };

describe("a function that answers", () => {
  it("is asked once, with the key", async () => {
    const { base, asked } = await project({ version: "1.2.3", body: OK });
    const { findings, notLookedAt } = await examineService(base, KEY, "1.2.3");
    expect(findings).toEqual([]);
    expect(notLookedAt).toEqual([expect.stringMatching(/migrations, grants/)]);
    expect(asked).toEqual([{
      path: "POST /functions/v1/fairlane/health",
      authorization: `Bearer ${KEY}`,
    }]);
  });

  it("may have another version, and so may its database", async () => {
    expect(await codes({ version: "1.2.2", body: OK }))
      .toEqual(["warning function-too-old"]);
    expect(await codes({ version: "2.0.0", body: OK }))
      .toEqual(["warning package-too-old"]);
    expect(
      await codes({ version: "1.2.3", body: { ...OK, version: "1.0.0" } }),
    ).toEqual(["warning schema-too-old"]);
  });

  it("tells of the queue's health", async () => {
    const reason = (code: string, message = code) => ({ code, message });
    const missing = (job: string) =>
      reason(
        "ROW_MISSING",
        `There must always be job ${job} of fairlane_core.job_runs, and it is gone: insert …`,
      );
    const { findings } = await examine({
      version: "1.2.3",
      body: {
        ...OK,
        jobs: null,
        reasons: [
          missing("sweep"),
          reason("JOB_LATE", "Job rescue last ran at …"),
          missing("purge"),
          reason("HELD_UP"),
          reason("ROW_MISSING", "the row of fairlane_core.settings"),
          reason("OF_THE_FUTURE"),
        ],
        notices: [reason("FIELD_NOT_USED")],
      },
    });
    expect(findings.map(({ severity, code }) => `${severity} ${code}`))
      .toEqual([
        "warning jobs-not-scheduled",
        "warning job-late",
        "warning held-up",
        "error row-missing",
        "warning of-the-future",
        "note field-not-used",
      ]);
    expect(findings[0]?.what).toContain("sweep, purge.");
    expect(findings[1]?.what).toBe("Job rescue last ran at …");
  });
});

describe("a function that refuses", () => {
  it.each([
    ["key-refused", 403, { code: "FORBIDDEN" }],
    ["key-refused", 401, { code: "INVALID_CREDENTIALS" }],
    ["schema-too-old", 503, { code: "SCHEMA_TOO_OLD" }],
    ["database-unavailable", 503, { code: "UNAVAILABLE" }],
    ["function-fails", 500, { code: "INTERNAL" }],
    ["function-fails", 200, "no JSON"],
  ])("%s: %i", async (code, status, body) => {
    const examined = await examine({ version: "1.2.3", status, body });
    expect(examined.findings).toMatchObject([{ code, severity: "error" }]);
    expect(examined.notLookedAt).toHaveLength(2);
  });
});

describe("a platform that answers instead", () => {
  it.each([
    ["platform-refuses-key", 401, { code: 401, message: "Invalid JWT" }],
    ["function-not-deployed", 404, { code: "NOT_FOUND" }],
    ["function-not-running", 503, { code: "BOOT_ERROR" }],
    ["function-not-running", 302, ""],
    ["function-not-running", 200, "<html>"],
  ])("%s: %i", async (code, status, body) => {
    expect(await codes({ status, body })).toEqual([`error ${code}`]);
  });
});

describe("an address", () => {
  it("may be nobody's", async () => {
    const { base } = await project({});
    const closed = new Promise((done) => servers.pop()?.close(done));
    await closed;
    const { findings } = await examineService(base, KEY, "1.2.3");
    expect(findings).toMatchObject([{ code: "service-unreachable" }]);
    expect(findings[0]?.what).toContain("ECONNREFUSED");
  });

  it.each(["http://example.com", "example.com", `not ${KEY}`, "ftp://x.y"])(
    "is not sent the key: %s",
    async (base) => {
      const examined = await examineService(base, KEY, "1.2.3");
      expect(examined.findings).toMatchObject([{ code: "address-wrong" }]);
      expect(JSON.stringify(examined)).not.toContain(KEY);
    },
  );
});
