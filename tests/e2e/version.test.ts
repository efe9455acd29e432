import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { ENDPOINTS } from "../../shared/endpoints.ts";
import { checkoutDir } from "../../stack/paths.ts";
import { admin } from "../support/db.ts";
import { callFunction } from "../support/http.ts";
import { API_SCHEMA, isServed } from "../support/profile.ts";
import { stack } from "../support/stack.ts";

// Every reply tells the version of the functions, `health` that of the
// database, and functions refuse a database that is too old for them.

const { version } = z.object({ version: z.string() }).parse(
  JSON.parse(readFileSync(join(checkoutDir, "package.json"), "utf8")),
);

describe.each(Object.keys(ENDPOINTS).filter(isServed))("%s", (name) => {
  it("tells its version, whatever it answers", async () => {
    const refused = await callFunction(name, {});
    expect(refused.status).toBe(401);
    expect(refused.headers.get("x-fairlane-version")).toBe(version);
    expect(refused.headers.get("access-control-expose-headers"))
      .toContain("x-fairlane-version");
  });
});

it("the router has it in the reply about a missing route", async () => {
  const reply = await callFunction("fairlane/nothing", {});
  expect(reply.status).toBe(404);
  expect(reply.headers.get("x-fairlane-version")).toBe(version);
});

function ask(name: string, body: Record<string, unknown> = {}) {
  return callFunction(name, body, { key: stack().serviceRoleKey });
}

it("health tells the version of the database", async () => {
  const reply = await ask("health");
  expect(reply.json).toMatchObject({ version });
  expect(reply.headers.get("x-fairlane-version")).toBe(version);
});

describe("a database that is too old", () => {
  let putBack = "";
  afterEach(async () => {
    await admin().unsafe(putBack);
  });

  it("is refused by health, with both versions and the command to run", async () => {
    const [{ source = "" } = {}] = await admin()<{ source?: string }[]>`
      select pg_get_functiondef('fairlane_core.version'::regproc) as source`;
    putBack = source;
    await admin().unsafe(source.replace(`'${version}'`, "'0.0.9'"));

    const { status, json } = await ask("health");
    expect(status).toBe(503);
    expect(json).toMatchObject({
      code: "SCHEMA_TOO_OLD",
      message:
        `The functions are of version ${version}, and the database has 0.0.9`,
      hint: expect.stringContaining("supabase db push"),
    });
  });

  it("is refused by what calls a function that it lacks", async () => {
    const name = "update_worker_model(jsonb, text, text)";
    putBack = `
      alter function ${API_SCHEMA}.old_${name} rename to update_worker_model;
      notify pgrst, 'reload schema'`;
    await admin().unsafe(`
      alter function ${API_SCHEMA}.${name} rename to old_update_worker_model;
      notify pgrst, 'reload schema'`);

    const call = () =>
      ask("update-worker-model", { worker_id: "nobody", model: "wan" });
    await expect.poll(async () => (await call()).json, { timeout: 10_000 })
      .toMatchObject({ code: "SCHEMA_TOO_OLD" });

    await admin().unsafe(putBack);
    putBack = "";
    await expect.poll(async () => (await call()).json, { timeout: 10_000 })
      .toMatchObject({ code: "WORKER_NOT_FOUND" });
  });
});
