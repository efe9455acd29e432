/** What every client expects of the Data API itself: contract 4, the top. */
import { beforeEach, describe, expect, it } from "vitest";
import { admin } from "../support/db.ts";
import { rest, send, SINGLE, supabasePy } from "../support/rest.ts";
import { stack } from "../support/stack.ts";
import { createTask, createTasks } from "../support/fleet-tasks.ts";
import { createOwner, type Owner, reset } from "../support/world.ts";

const NOBODY = "00000000-0000-4000-8000-000000000000";

let owner: Owner;

beforeEach(async () => {
  await reset();
  owner = await createOwner();
});

describe("filters on log lines", () => {
  beforeEach(async () => {
    const at = (minute: number) => `2026-01-11T12:0${minute}:00+00:00`;
    await log("INFO", "Cycle begins", at(0), 1);
    await log("ERROR", "CUDA out of memory", at(1), 2);
    await log("WARNING", "cuda is slow", at(2), null);
  });

  it.each([
    ["eq", { log_level: "eq.ERROR" }, [2]],
    ["neq", { log_level: "neq.ERROR" }, [1, 3]],
    ["lt", { cycle_number: "lt.2" }, [1]],
    ["lte", { cycle_number: "lte.2" }, [1, 2]],
    ["gt", { timestamp: "gt.2026-01-11T12:01:00+00:00" }, [3]],
    ["gte", { timestamp: "gte.2026-01-11T12:01:00+00:00" }, [2, 3]],
    ["in", { log_level: "in.(INFO,WARNING)" }, [1, 3]],
    ["is.null", { cycle_number: "is.null" }, [3]],
    ["not.is.null", { cycle_number: "not.is.null" }, [1, 2]],
    ["like", { message: "like.%CUDA%" }, [2]],
    ["not.like", { message: "not.like.%CUDA%" }, [1, 3]],
    ["ilike", { message: "ilike.%cuda%" }, [2, 3]],
    [
      "or",
      {
        or: "(timestamp.gte.2026-01-11T12:02:00+00:00,cycle_number.eq.1)",
      },
      [1, 3],
    ],
    [
      "ilike inside or",
      { or: "(message.ilike.%cuda%,log_level.eq.INFO)" },
      [1, 2, 3],
    ],
  ])("%s", async (_name, filter, lines) => {
    expect(await found(new URLSearchParams(filter))).toEqual(lines);
  });

  it("two of one column, and two `or`, are both to hold", async () => {
    const between = new URLSearchParams([
      ["timestamp", "gte.2026-01-11T12:00:30+00:00"],
      ["timestamp", "lte.2026-01-11T12:01:30+00:00"],
    ]);
    expect(await found(between)).toEqual([2]);
    const twice = new URLSearchParams([
      ["or", "(message.ilike.%cuda%,message.ilike.%cycle%)"],
      ["or", "(log_level.eq.WARNING,log_level.eq.INFO)"],
    ]);
    expect(await found(twice)).toEqual([1, 3]);
  });

  async function found(query: URLSearchParams): Promise<unknown[]> {
    query.set("select", "metadata");
    query.set("order", "timestamp.asc");
    const reply = await send(`/rest/v1/system_logs?${query}`, {
      headers: supabasePy(stack().serviceRoleKey),
    });
    expect(reply.status, reply.text).toBe(200);
    return (reply.json as { metadata: { line: number } }[])
      .map(({ metadata }) => metadata.line);
  }

  async function log(
    level: string,
    message: string,
    timestamp: string,
    cycle: number | null,
  ): Promise<void> {
    const line = { INFO: 1, ERROR: 2, WARNING: 3 }[level] ?? 0;
    await admin()`
      insert into public.system_logs
        (timestamp, source_type, log_level, message, cycle_number, metadata)
      values (
        ${timestamp}, 'orchestrator_gpu', ${level}, ${message}, ${cycle},
        ${JSON.stringify({ line })}::text::jsonb
      )
    `;
  }
});

describe("cs. on params", () => {
  it.each([
    '{"run": {"id": "7"}}', // as Python prints it
    '{"run":{"id":"7"}}',
    '{"run": {"id": "7"}, "tags": ["b"]}',
  ])("finds what contains %s", async (json) => {
    const params = { run: { id: "7", n: 1 }, tags: ["a", "b"] };
    const id = await createTask(owner, { params });
    await createTask(owner, { params: { run: { id: "8" } } });
    const reply = await tasks({ select: "id", params: `cs.${json}` });
    expect(reply.json).toEqual([{ id }]);
  });
});

describe("order, limit and count", () => {
  it("puts nulls last upward and first downward, as Postgres does", async () => {
    const id = await createTask(owner, { worker_id: "b" });
    const none = await createTask(owner);
    const inOrder = async (order: string) =>
      ((await tasks({ select: "id", order })).json as { id: string }[])
        .map((task) => task.id);
    expect(await inOrder("worker_id.asc")).toEqual([id, none]);
    expect(await inOrder("worker_id.desc")).toEqual([none, id]);
  });

  it("tells in Content-Range how many there are beyond the limit", async () => {
    await createTasks(owner, 3);
    const count = (query: Record<string, string>) =>
      rest("GET", "tasks", { select: "id", ...query }, {
        headers: { prefer: "count=exact" },
      });
    const cut = await count({ limit: "2" });
    expect(cut.json).toHaveLength(2);
    expect(cut.headers.get("content-range")).toBe("0-1/3");
    const none = await count({ status: "eq.Complete" });
    expect(none.headers.get("content-range")).toBe("*/0");
  });

  it("takes a limit of 5000 and answers at most 1000 rows", async () => {
    await createTasks(owner, 1_001);
    const reply = await tasks({ select: "id", limit: "5000" });
    expect(reply.json).toHaveLength(1_000);
  });
});

describe("writes", () => {
  it("answer with the rows they touched; an empty list when there was none", async () => {
    const id = await createTask(owner);
    const body = { priority: 1 };
    const one = await rest("PATCH", "tasks", { id: `eq.${id}` }, { body });
    expect([one.status, one.json]).toMatchObject([200, [{ id, ...body }]]);
    const none = await rest("PATCH", "tasks", { id: `eq.${NOBODY}` }, { body });
    expect([none.status, none.json]).toEqual([200, []]);
    const query = { id: `in.(${id},${NOBODY})` };
    const gone = await rest("DELETE", "tasks", query, { body: {} });
    expect([gone.status, gone.json]).toMatchObject([200, [{ id }]]);
  });

  it("reach as many rows as their filter names", async () => {
    const ids = await createTasks(owner, 3);
    const query = { id: `in.(${ids.join(",")})` };
    const body = { priority: 1 };
    const reply = await rest("PATCH", "tasks", query, { body });
    expect(reply.json).toHaveLength(3);
  });
});

describe("errors are JSON with message, code, details and hint", () => {
  it.each([
    ["no row for .single()", "tasks?id=eq." + NOBODY, 406, "PGRST116"],
    ["an id that is none", "tasks?id=eq.unknown_task_1", 400, "22P02"],
    ["an unknown column", "tasks?select=nonsense", 400, "42703"],
    ["a table that is not there", "nonsense", 404, "42P01"],
  ])("%s", async (_what, path, status, code) => {
    const headers = { ...supabasePy(stack().serviceRoleKey), ...SINGLE };
    const reply = await send(`/rest/v1/${path}`, { headers });
    expectShape(reply.json);
    expect([reply.status, reply.json]).toMatchObject([status, { code }]);
  });

  it("the words `0 rows`, for which clients ask again, whole", async () => {
    const query = { select: "id", id: `eq.${NOBODY}` };
    const reply = await rest("GET", "tasks", query, { headers: SINGLE });
    expect([reply.status, reply.json]).toEqual([406, {
      code: "PGRST116",
      message: expect.any(String),
      details: "The result contains 0 rows",
      hint: null,
    }]);
  });

  it("more than one row for .single()", async () => {
    await createTasks(owner, 2);
    const reply = await rest("GET", "tasks", {}, { headers: SINGLE });
    expectShape(reply.json);
    expect([reply.status, reply.json])
      .toMatchObject([406, { code: "PGRST116" }]);
    expect(JSON.stringify(reply.json)).not.toContain(" 0 rows");
  });

  it("a PATCH of a column that is not there", async () => {
    const query = { id: `eq.${await createTask(owner)}` };
    const body = { nonsense: 1 };
    const reply = await rest("PATCH", "tasks", query, { body });
    expectShape(reply.json);
    expect([reply.status, reply.json])
      .toMatchObject([400, { code: "PGRST204" }]);
  });

  function expectShape(json: unknown): void {
    expect(json).toEqual({
      message: expect.any(String),
      code: expect.any(String),
      details: expect.toSatisfy(isTextOrNull),
      hint: expect.toSatisfy(isTextOrNull),
    });
  }

  function isTextOrNull(value: unknown): boolean {
    return value === null || typeof value === "string";
  }
});

function tasks(query: Record<string, string>) {
  return rest("GET", "tasks", query);
}
