import { createHash, randomBytes } from "node:crypto";
import { admin, as } from "./db.ts";

/** A user with one project: enough to own tasks. */
export interface Owner {
  readonly id: string;
  readonly projectId: string;
}

/** What tests vary about a user. */
export interface OwnerOptions {
  readonly credits?: number;
  readonly settings?: unknown;
  /** Null = the default limit. */
  readonly maxInProgress?: number | null;
}

/** A new user with a project; suites share one database, so never reuse one. */
export async function createOwner(options: OwnerOptions = {}): Promise<Owner> {
  const { credits = 100, settings = {}, maxInProgress = null } = options;
  const [owner] = await admin()<Owner[]>`
    with owner as (
      insert into public.users (id, credits, settings, max_in_progress)
      values (
        gen_random_uuid(), ${credits},
        ${JSON.stringify(settings)}::text::jsonb, ${maxInProgress}
      )
      returning id
    )
    insert into public.projects (user_id, name)
    select id, 'Project of a test' from owner
    returning user_id as id, id as "projectId"
  `;
  return required(owner);
}

/**
 * Columns of a new task; the rest takes its default. `params` may be JSON text,
 * for numbers that JavaScript cannot hold.
 */
export type TaskColumns = Readonly<Record<string, unknown>>;

/** A new queued task of the owner; its id. */
export async function createTask(
  owner: Owner,
  columns: TaskColumns = {},
): Promise<string> {
  const [id] = await createTasks(owner, 1, columns);
  return required(id);
}

/** Several new queued tasks alike, in one statement; their ids. */
export async function createTasks(
  owner: Owner,
  count: number,
  columns: TaskColumns = {},
): Promise<string[]> {
  const sql = admin();
  const row: TaskColumns = {
    task_type: "clip",
    project_id: owner.projectId,
    ...columns,
  };
  const names = Object.keys(row);
  const tasks = await sql<{ id: string }[]>`
    insert into public.tasks (${sql(names)})
    select ${sql(names)}
    from
      jsonb_populate_record(null::public.tasks, ${toJson(row)}::text::jsonb),
      generate_series(1, ${count})
    returning id
  `;
  return tasks.map((task) => task.id);
}

function toJson(row: TaskColumns): string {
  const members = Object.entries(row).map(([name, value]) => {
    const isJsonText = name === "params" && typeof value === "string";
    return `"${name}":${isJsonText ? value : JSON.stringify(value)}`;
  });
  return `{${members.join(",")}}`;
}

/** Puts a queued task In Progress as a claim does; its lease token. */
export async function startTask(
  id: string,
  workerId = "worker-of-a-test",
): Promise<string> {
  const [task] = await admin()<{ lease_token: string }[]>`
    update public.tasks
    set
      status = 'In Progress',
      worker_id = ${workerId},
      lease_token = gen_random_uuid(),
      attempts = attempts + 1,
      claimed_at = fairlane_core.now(),
      generation_started_at = fairlane_core.now()
    where id = ${id}
    returning lease_token
  `;
  return required(task).lease_token;
}

/** A row of `tasks` as it is now. */
export async function readTask(
  id: string,
): Promise<Readonly<Record<string, unknown>>> {
  const [task] = await admin()<Record<string, unknown>[]>`
    select * from public.tasks where id = ${id}
  `;
  return required(task);
}

/** A personal access token of the owner, in clear. */
export async function createToken(owner: Owner): Promise<string> {
  const token = `test-${randomBytes(20).toString("hex")}`;
  const hash = createHash("sha256").update(token).digest("hex");
  await admin()`
    insert into public.user_api_tokens (user_id, label, token_hash)
    values (${owner.id}, 'A test', ${hash})
  `;
  return token;
}

/** Acts as the owner does through the Data API. */
export function asOwner(owner: Owner): ReturnType<typeof as> {
  return as("authenticated", { sub: owner.id });
}

/** Tables whose rows the migrations ship. */
const SHIPPED = [
  ...["public.task_types", "fairlane_core.settings", "fairlane_core.job_runs"],
  "fairlane_core.family_names",
];

/**
 * Empties every table but those that the migrations fill, for tests that count
 * everything or claim from a pool.
 */
export async function reset(): Promise<void> {
  const sql = admin();
  const tables = await sql<{ name: string }[]>`
    select format('%I.%I', n.nspname, c.relname) as name
    from pg_catalog.pg_class as c
      join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname in ('public', 'fairlane_core')
      and c.relkind in ('r', 'p')
      and format('%s.%s', n.nspname, c.relname) <> all (${SHIPPED}::text[])
  `;
  const names = tables.map((table) => table.name).join(", ");
  await sql.unsafe(`truncate ${names}`);
  // What ships in tables that tests fill: no database is without it.
  await sql`insert into fairlane_core.clock_watch default values`;
  await sql`select fairlane_core.advance_status_totals()`;
}

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("The database returned no row");
  return value;
}
