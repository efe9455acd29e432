import { randomUUID } from "node:crypto";
import type { Sql } from "postgres";
import type { Chance } from "../../tests/support/chance.ts";
import type { Answer, Call } from "./call.ts";
import type { Person } from "./person.ts";

/** What a villain works with. */
export interface Villainy {
  readonly call: Call;
  readonly chance: Chance;
  /** Sessions of the app, which open transactions and take their time. */
  readonly app: Sql;
  /** A name of the fleet, which owners can read in their tasks. */
  readonly cloudWorker: () => string;
}

/** Something that a user can do, and perhaps should not. */
export type Deed = (who: Person, with_: Villainy) => Promise<Answer>;

const insert = (who: Person, { call }: Villainy, rows: unknown) =>
  call("/rest/v1/tasks", rows, { key: who.jwt });

const task = (who: Person, columns: object = {}) => ({
  task_type: "clip",
  project_id: who.projectId,
  ...columns,
});

/** The villain's own tasks in this state. */
async function own(
  who: Person,
  { call }: Villainy,
  status: string,
  limit: number,
): Promise<string[]> {
  const { text } = await call(
    `/rest/v1/tasks?select=id&status=eq.${status}&limit=${limit}`,
    undefined,
    { key: who.jwt, method: "GET" },
  );
  const rows: unknown = text.startsWith("[") ? JSON.parse(text) : [];
  return Array.isArray(rows) ? rows.map((row) => String(row.id)) : [];
}

async function report(
  who: Person,
  with_: Villainy,
  body: object,
  key = who.jwt,
): Promise<Answer> {
  const [id] = await own(who, with_, "In Progress", 1);
  return id === undefined
    ? { status: 204, text: "" }
    : await with_.call("/update-task-status", { task_id: id, ...body }, {
      key,
    });
}

/** Everything that one user, one row or one client could stop others with. */
export const deeds: Readonly<Record<string, Deed>> = {
  "enqueue 50 tasks": (who, with_) =>
    insert(who, with_, Array.from({ length: 50 }, () => task(who))),
  "enqueue 50 orchestrators": (who, with_) =>
    insert(
      who,
      with_,
      Array.from({ length: 50 }, () => ({
        ...task(who),
        task_type: "film_orchestrator",
      })),
    ),
  "numbers that grow when written out": (who, with_) =>
    insert(
      who,
      with_,
      `{"task_type":"clip","project_id":"${who.projectId}","params":{"n":[${
        Array.from({ length: 300 }, () => "1e9000").join(",")
      }]}}`,
    ),
  "500 levels": (who, with_) =>
    insert(
      who,
      with_,
      `{"task_type":"clip","project_id":"${who.projectId}","params":{"n":${
        "[".repeat(500)
      }${"]".repeat(500)}}}`,
    ),
  "the highest priority": (who, with_) =>
    insert(who, with_, task(who, { priority: 2_147_483_647 })),
  "a date in the far future": (who, with_) =>
    insert(who, with_, task(who, { available_at: "9999-01-01T00:00:00Z" })),
  "500 that wait for one, which is cancelled": async (who, with_) => {
    const id = randomUUID();
    await insert(who, with_, task(who, { id }));
    await insert(
      who,
      with_,
      Array.from({ length: 500 }, () => task(who, { dependant_on: id })),
    );
    return await with_.call(
      "/update-task-status",
      { task_id: id, status: "Cancelled" },
      { key: who.jwt },
    );
  },
  "100 that are due together": (who, with_) =>
    insert(
      who,
      with_,
      Array.from({ length: 100 }, () =>
        task(who, {
          available_at: new Date(Date.now() + 3_000).toISOString(),
        })),
    ),
  "cancel what runs": (who, with_) =>
    report(who, with_, { status: "Cancelled" }),
  "complete what runs": (who, with_) =>
    report(who, with_, { status: "Complete", output_location: "mine" }),
  "begin the billing anew": (who, with_) =>
    report(who, with_, {
      status: "In Progress",
      reset_generation_started_at: true,
    }),
  "hand back what the fleet runs": (who, with_) =>
    report(who, with_, { status: "Queued" }, who.token),
  "claim under a name of the fleet": (who, with_) =>
    with_.call(
      "/claim-next-task",
      { worker_id: with_.cloudWorker(), run_type: "gpu" },
      { key: who.token },
    ),
  "delete the project": async (who, with_) => {
    const answer = await with_.call(
      `/rest/v1/projects?id=eq.${who.projectId}`,
      undefined,
      { key: who.jwt, method: "DELETE" },
    );
    await with_.call(
      "/rest/v1/projects",
      { id: who.projectId, user_id: who.id, name: "Again" },
      { key: who.jwt },
    );
    return answer;
  },
  "read everything": (who, with_) =>
    with_.call("/rest/v1/tasks?select=*&limit=200", undefined, {
      key: who.jwt,
      method: "GET",
    }),
  "count": (who, with_) =>
    with_.call("/task-counts", { run_type: "gpu" }, { key: who.token }),
  "the app charges them and takes its time": async (who, { app }) => {
    await app.begin(async (sql) => {
      await sql`update public.users set credits = credits - 1 where id = ${who.id}`;
      await sql`select pg_sleep(2)`;
    });
    return { status: 200, text: "" };
  },
  "the app changes their limit and takes its time": async (who, { app }) => {
    await app.begin(async (sql) => {
      await sql`
        update public.users
        set max_in_progress = case when max_in_progress = 5 then null else 5 end
        where id = ${who.id}`;
      await sql`select pg_sleep(2)`;
    });
    return { status: 200, text: "" };
  },
};
