import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createDirectRpc } from "../../supabase/functions/_fairlane/database/direct.ts";
import { createPostgrestRpc } from "../../supabase/functions/_fairlane/database/postgrest.ts";
import { REPEATABLE } from "../../supabase/functions/_fairlane/database/repetition.ts";
import type {
  Rpc,
  RpcArguments,
} from "../../supabase/functions/_fairlane/database/rpc.ts";
import {
  beginOf,
  statementOf,
} from "../../supabase/functions/_fairlane/database/transaction.ts";
import { ApiError } from "../../supabase/functions/_fairlane/frame/api-error.ts";
import { RawJson } from "../../supabase/functions/_fairlane/json/raw-json.ts";
import { admin, adminConnection } from "../support/db.ts";
import { until } from "../support/sessions.ts";
import { stack } from "../support/stack.ts";

const p_caller = { kind: "service" };
const SERVICE = '{"role":"service_role"}';
let direct: Rpc;

beforeAll(async () => {
  await admin().unsafe(`
    create schema tests_direct;
    grant usage on schema tests_direct to service_role;
    create table tests_direct.done (what text);
    grant all on tests_direct.done to service_role;
    create function tests_direct.settings(p_caller jsonb) returns json language sql stable as $$
      select json_object_agg(s.name, current_setting(s.name, true))
      from unnest(array['role', 'request.jwt.claims', 'request.method', 'request.path', 'request.headers',
        'statement_timeout', 'lock_timeout', 'transaction_read_only']) as s (name)
    $$;
    create function tests_direct.slow(p_caller jsonb, p_seconds float8) returns void language plpgsql as $$
    begin
      insert into tests_direct.done values ('slow');
      perform pg_sleep(p_seconds);
    end $$;
    grant execute on all functions in schema tests_direct to service_role;
    create function public.tests_echo(
      p_caller jsonb, p_raise text default null, p_code text default null, p_data json default null,
      p_text text default null, p_number numeric default null, p_ids uuid[] default null
    ) returns json language plpgsql as $$
    begin
      if p_raise is not null then
        raise exception using errcode = p_raise, message = 'Words', detail = coalesce(p_code, ''), hint = 'Advice';
      end if;
      perform set_config('response.headers', '[{"x-fairlane-said": "yes"}]', true);
      return case when coalesce(p_data, to_json(p_text), to_json(p_number), to_json(p_ids)) is not null
        then json_build_object('data', p_data, 'text', p_text, 'number', p_number, 'ids', p_ids) end;
    end $$;
    grant execute on function public.tests_echo to service_role;
  `);
  await until(
    "PostgREST knows it",
    async () => (await outcome(throughPostgrest(), {})) === "null, said",
  );
});
afterAll(async () => {
  await admin().unsafe(
    "drop schema tests_direct cascade; drop function public.tests_echo",
  );
});
beforeEach(() => {
  direct = directIn("tests_direct");
});

describe("a call over a connection of the function's own", () => {
  it("has the role, the settings and the time limits of PostgREST's calls", async () => {
    const settings = await direct("settings", { p_caller }, "request-1");
    expect(JSON.parse(settings)).toEqual({
      "role": "service_role",
      "request.jwt.claims": SERVICE,
      "request.method": "POST",
      "request.path": "/rpc/settings",
      "request.headers": '{"x-request-id":"request-1"}',
      "statement_timeout": "8s",
      "lock_timeout": "2s",
      "transaction_read_only": "on",
    });
  });

  it.each(["commit", "rollback"])(
    "leaves nothing on its connection after a %s",
    async (end) => {
      const settings = {
        name: "settings",
        only_reads: true,
        types: { p_caller: "jsonb" },
      };
      const sql = adminConnection();
      const before = await settingsOf(sql);
      await sql.unsafe(beginOf(settings, "request-1"));
      const [row] = await sql.unsafe(
        statementOf("tests_direct", settings, { p_caller }),
        [JSON.stringify({ p_caller })],
      );
      expect(row?.["reply"]).toContain("service_role");
      await sql.unsafe(end);
      expect(await settingsOf(sql)).toEqual(before);
    },
  );

  it("finds a function that a migration has brought or replaced", async () => {
    const reply = () => direct("later", { p_caller }, "id");
    await expect(reply()).rejects.toMatchObject({ code: "SCHEMA_TOO_OLD" });
    const create = (type: string, volatility: string) =>
      admin().unsafe(`
        drop function if exists tests_direct.later;
        create function tests_direct.later(p_caller ${type}) returns json language plpgsql ${volatility} as $$
        begin
          ${
        volatility === "volatile"
          ? "insert into tests_direct.done values ('later');"
          : ""
      }
          return '"${type} ${volatility}"'::json;
        end $$;
        grant execute on function tests_direct.later to service_role;
      `);
    for (const [type, volatility] of KINDS) {
      await create(type, volatility);
      expect(await reply()).toBe(`"${type} ${volatility}"`);
    }
  });

  it("is not made when its time is over before its turn has come", async () => {
    direct = directIn("tests_direct", 4_000);
    await direct("settings", { p_caller }, "id"); // the connection is there
    await admin()`delete from tests_direct.done`;
    const slow = () => outcome(direct, { p_seconds: 2.5 }, "slow");
    expect(await Promise.all([slow(), slow(), slow()])).toEqual([
      "null",
      "503 UNAVAILABLE: Repeat the same request; it is safe to",
      "503 UNAVAILABLE: Repeat the same request; it is safe to",
    ]);
    await until("all have ended", async () => await isIdle());
    expect(await admin()`select what from tests_direct.done`)
      .toEqual([{ what: "slow" }]);
  });
});

describe("both ways to the database", () => {
  it.each<[string, RpcArguments]>([
    ["a number of 64 bits", {
      p_data: new RawJson('{"seed": 9007199254740993, "x": 1.0}'),
    }],
    ["a number beyond all doubles", { p_number: new RawJson("1e400") }],
    ["text in all alphabets", { p_text: 'café 😀 "\\ \u2028' }],
    ["a number where text is expected", { p_text: 5 }],
    ["an object where text is expected", { p_text: { a: [1] } }],
    ["a list of ids", { p_ids: [someId(), someId()] }],
    ["nothing", {}],
    ["a NUL in a text", { p_text: "a\0b" }],
    ["a NUL in JSON", { p_data: new RawJson('{"a": "\\u0000"}') }],
    ["no id in a list of ids", { p_ids: ["x"] }],
    ["no number", { p_number: "x" }],
    ["an argument that there is not", { p_other: 1 }],
    ["a refusal", { p_raise: "PT409", p_code: "LEASE_LOST" }],
    ["a refusal of another status", { p_raise: "PT429", p_code: "QUEUE_FULL" }],
    ["a refusal without a known code", { p_raise: "PT409", p_code: "NEW" }],
    ...["08006", "22P02", "23505", "25006", "40P01", "42501", "42883"]
      .concat(["53300", "55P03", "57014", "57P01", "P0001", "XX000"])
      .map((code): [string, RpcArguments] => [code, { p_raise: code }]),
  ])("answer the same to %s", async (_what, args) => {
    const answers = await Promise.all(
      [throughPostgrest(), directIn("public")].map((rpc) => outcome(rpc, args)),
    );
    expect(answers[1]).toBe(answers[0]);
  });
});

const KINDS = [
  ["jsonb", "stable"],
  ["jsonb", "volatile"],
  ["json", "volatile"],
] as const;

function someId(): string {
  return "0f8fad5b-d9cb-469f-a165-70867728950e";
}

function directIn(schema: string, timeoutMs = 9_000): Rpc {
  return createDirectRpc({ databaseUrl: stack().dbUrl, schema, timeoutMs });
}

function throughPostgrest(): Rpc {
  return createPostgrestRpc({
    supabaseUrl: stack().apiUrl,
    databaseKey: stack().secretKey,
    fetch,
    timeoutMs: 9_000,
  });
}

/** The reply and what was said in headers, or status, code and words. */
async function outcome(
  rpc: Rpc,
  args: RpcArguments,
  name = "tests_echo",
): Promise<string> {
  let said = "";
  const hear = (headers: Headers) => {
    said = headers.has("x-fairlane-said") ? ", said" : "";
  };
  try {
    const all = { p_caller, ...args };
    return await rpc(name, all, "id", REPEATABLE, hear) + said;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { status, code, parts } = error;
    return [`${status} ${code}`, parts.hint].filter(Boolean).join(": ");
  }
}

async function settingsOf(sql: ReturnType<typeof adminConnection>) {
  const [row] = await sql`
    select current_user as role,
      coalesce(current_setting('request.jwt.claims', true), '') as claims,
      coalesce(current_setting('request.path', true), '') as path,
      current_setting('statement_timeout') as statement_timeout,
      current_setting('lock_timeout') as lock_timeout,
      current_setting('idle_in_transaction_session_timeout') as idle
  `;
  return row;
}

async function isIdle(): Promise<boolean> {
  const rows = await admin()`
    select from pg_stat_activity
    where application_name = 'fairlane' and state <> 'idle'
  `;
  return rows.length === 0;
}
