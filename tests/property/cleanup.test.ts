import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { admin, type Connection } from "../support/db.ts";
import { createOwner, createTask, startTask } from "../support/world.ts";
import { inTransaction } from "./in-world.ts";
import { holds, seed, timeout } from "./random-runs.ts";

/** Ages at the limits: a microsecond before, on them, a microsecond after. */
const AGES = [
  ...["0 seconds", "00:59:59.999999", "1 hour", "01:00:00.000001"],
  ...["6 days 23:59:59.999999", "7 days", "7 days 00:00:00.000001", "30 days"],
];
const STATES = ["never started", "started once", "running", "ended"] as const;
const ENDS = ["Complete", "Failed", "Cancelled"];
const FLAWS = ["", "", "", "no run type", "scheduled"] as const;

/** A task to be written; the numbers point to tasks written before it. */
const planned = fc.record({
  age: fc.constantFrom(...AGES),
  state: fc.constantFrom(...STATES),
  end: fc.constantFrom(...ENDS),
  flaw: fc.constantFrom(...FLAWS),
  dependsOn: fc.option(fc.nat(7), { freq: 2 }),
  isMissing: fc.boolean(),
  childOf: fc.option(fc.nat(7), { freq: 4 }),
});
type Planned = typeof planned extends fc.Arbitrary<infer T> ? T : never;

/** A row as it stands; ages in microseconds. */
interface Row {
  readonly id: string;
  readonly status: string;
  readonly attempts: number;
  readonly wasClaimed: boolean;
  readonly hasRunType: boolean;
  readonly isScheduled: boolean;
  readonly age: number;
  readonly unchangedFor: number;
  readonly parent: string | null;
  readonly waitsFor: readonly string[];
}

const HOUR = 3_600e6;
const WEEK = 7 * 24 * HOUR;

describe(`the cleanup (PROPERTY_SEED=${seed})`, () => {
  it("cancels exactly what a plain reading of its rule says", async () => {
    await holds(
      fc.array(planned, { minLength: 1, maxLength: 9 }),
      (plan) =>
        inTransaction(async (sql) => {
          await write(plan);
          await sql`select queue.sweep()`;
          const before = await readRows(sql);
          await sql`select queue.cleanup()`;
          const cancelled = await newlyCancelled(sql, before);
          expect(cancelled).toEqual(toCancel(before));
          await sql`select queue.cleanup()`;
          expect(await newlyCancelled(sql, before)).toEqual(cancelled);
        }),
    );
  }, timeout);
});

/** The rule, read plainly: what is due, and what goes with it. */
function toCancel(rows: readonly Row[]): string[] {
  const byId = new Map(rows.map((row) => [row.id, row]));
  const isLive = (id: string) =>
    ["Queued", "In Progress"].includes(byId.get(id)?.status ?? "");
  /** What would go with a task, whatever its state, in any number of steps. */
  const along = (id: string): Row[] =>
    rows.filter((row) => row.waitsFor.includes(id) || row.parent === id)
      .flatMap((row) => isLive(row.id) ? [row, ...along(row.id)] : []);

  const isStale = (row: Row) =>
    row.status === "Queued" && row.attempts === 0 && row.age > WEEK &&
    !(row.parent !== null && isLive(row.parent));
  const isHeld = (row: Row) => {
    const others = along(row.id);
    const goes = (id: string | null) =>
      id === row.id || others.some((other) => other.id === id);
    return others.some((other) =>
      other.status === "In Progress" || other.attempts > 0 ||
      other.age <= WEEK || (!isStale(other) && !goes(other.parent))
    );
  };
  const isLost = (row: Row) =>
    row.hasRunType && row.waitsFor.length > 0 && !row.waitsFor.some(isLive) &&
    row.waitsFor.some((id) => byId.get(id)?.status !== "Complete");

  const isDue = (row: Row) => {
    if (row.status !== "Queued" || row.isScheduled) return false;
    if (isLost(row)) return row.unchangedFor > HOUR;
    return isStale(row) && !row.wasClaimed && !isHeld(row);
  };
  const due = rows.filter(isDue);
  const gone = (row: Row): Row[] => [
    row,
    ...rows.filter((other) =>
      (other.waitsFor.includes(row.id) && other.status === "Queued") ||
      (other.parent === row.id && isLive(other.id))
    ).flatMap(gone),
  ];
  return [...new Set(due.flatMap(gone).map((row) => row.id))].sort();
}

async function write(plan: readonly Planned[]): Promise<void> {
  const owner = await createOwner({ maxInProgress: 100 });
  const ids: string[] = [];
  for (const task of plan) {
    const dependency = task.isMissing
      ? crypto.randomUUID()
      : ids[task.dependsOn ?? -1];
    const parent = ids[task.childOf ?? -1];
    const id = await createTask(owner, {
      created_at: await ago(task.age),
      params: parent ? { orchestrator_task_id_ref: parent } : {},
      ...(task.dependsOn !== null && dependency
        ? { dependant_on: dependency }
        : {}),
      ...(task.flaw === "scheduled"
        ? { available_at: await ago("-1 day") }
        : {}),
    });
    ids.push(id);
    await putInto(task, id);
  }
}

async function putInto({ state, end, flaw }: Planned, id: string) {
  const sql = admin();
  if (flaw === "no run type") {
    await sql`update public.tasks set run_type = null where id = ${id}`;
  }
  if (state === "never started") return;
  const [row] = await sql`select status from public.tasks where id = ${id}`;
  if (row?.["status"] !== "Queued") return;
  await startTask(id);
  const status = {
    "started once": "Queued",
    running: "In Progress",
    ended: end,
  };
  await sql`update public.tasks set status = ${status[state]} where id = ${id}`;
}

async function ago(age: string): Promise<string> {
  const [row] = await admin()<{ at: string }[]>`
    select (queue.now() - ${age}::interval)::text as at
  `;
  return row?.at ?? "";
}

async function readRows(sql: Connection): Promise<Row[]> {
  return [
    ...await sql<Row[]>`
      select
        t.id, t.status, t.attempts,
        t.claimed_at is not null as "wasClaimed",
        t.run_type is not null as "hasRunType",
        coalesce(t.run_type is not null and t.available_at > queue.now(), false)
          as "isScheduled",
        (extract(epoch from queue.now() - t.created_at) * 1e6)::float as age,
        (extract(epoch from queue.now() - coalesce(t.updated_at, t.created_at))
          * 1e6)::float as "unchangedFor",
        queue.parent_task_id(t.params) as parent,
        array(
          select d.depends_on
          from queue.task_dependencies as d
          where d.task_id = t.id
        ) as "waitsFor"
      from public.tasks as t
      order by t.id
    `,
  ];
}

async function newlyCancelled(
  sql: Connection,
  before: readonly Row[],
): Promise<string[]> {
  const now = await readRows(sql);
  const was = new Map(before.map((row) => [row.id, row.status]));
  const changed = now.filter((row) => was.get(row.id) !== row.status);
  expect(changed.filter((row) => row.status !== "Cancelled")).toEqual([]);
  return changed.map((row) => row.id).sort();
}
