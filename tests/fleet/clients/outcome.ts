import { expect } from "vitest";
import { admin } from "../../support/db.ts";
import { getFile } from "../../support/storage.ts";
import { readTask } from "../../support/world.ts";

/** The bytes that each job ended with. */
export async function outputsOf(
  jobs: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const outputs: Record<string, string> = {};
  for (const [name, id] of Object.entries(jobs)) {
    const job = await readTask(id);
    expect(job, name).toMatchObject({ status: "Complete" });
    outputs[name] = (await getFile(String(job["output_location"]))).bytes;
  }
  return outputs;
}

/** The records below a video: place, type and bytes, in order. */
export async function piecesOf(video: string): Promise<string[]> {
  const rows = await admin()<{ piece: string; location: string }[]>`
    select concat_ws(' ', g.child_order, t.task_type) as piece, g.location
    from public.generations as g
      join public.tasks as t on t.id = g.task_id
    where g.parent_generation_id = ${video}
    order by g.child_order, t.task_type
  `;
  const pieces: string[] = [];
  for (const { piece, location } of rows) {
    pieces.push(`${piece} ${(await getFile(location)).bytes}`);
  }
  return pieces;
}

/**
 * The records of what each orchestrator had made: type and bytes; and the place,
 * of one that stands below another record or goes on from one.
 */
export async function recordsOf(
  jobs: Readonly<Record<string, string>>,
): Promise<Record<string, string[]>> {
  const records: Record<string, string[]> = {};
  for (const [name, id] of Object.entries(jobs)) {
    const rows = await admin()<{ record: string; location: string }[]>`
      select g.location, concat_ws(
        ' ', t.task_type, g.child_order, 'below ' || g.parent_generation_id,
        'from ' || g.based_on, case when g.is_child then 'a part' end
      ) as record
      from public.generations as g
        join public.tasks as t on t.id = g.task_id
      where t.params ->> 'orchestrator_task_id_ref' = ${id}
    `;
    const made = await Promise.all(
      rows.map(async ({ record, location }) =>
        `${record} ${(await getFile(location)).bytes}`
      ),
    );
    records[name] = made.toSorted();
  }
  return records;
}

/** Each has its own file. */
export async function expectPictures(ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    const { output_location } = await readTask(id);
    expect((await getFile(String(output_location))).bytes)
      .toBe(`picture of ${id}`);
  }
}

/** Each task ended once and well, with one record if it makes one at all. */
export async function expectOneOfEach(results: number): Promise<void> {
  const tasks = await admin()<Record<string, unknown>[]>`
    select
      t.task_type, t.status,
      (
        select count(*)::integer from public.task_events as e
        where e.task_id = t.id and e.to_status = 'Complete'
          and e.from_status is distinct from 'Complete'
      ) as ends,
      (
        select count(*)::integer from public.generations as g
        where g.task_id = t.id
      ) as records
    from public.tasks as t
    where t.status <> 'Cancelled' -- what may be is in needlesslyCancelled
  `;
  for (const task of tasks) {
    expect(task).toMatchObject({
      status: "Complete",
      ends: 1,
      records: String(task["task_type"]).endsWith("_orchestrator") ? 0 : 1,
    });
  }
  expect(
    await admin()`select from public.generations where task_id is not null`,
  )
    .toHaveLength(results);
}

/** Cancelled tasks that are no second copy of a child that is complete. */
export async function needlesslyCancelled(): Promise<object[]> {
  return [
    ...await admin()<object[]>`
      select t.task_type, t.params
      from public.tasks as t
      where t.status = 'Cancelled' and not exists (
        select from public.tasks as o
        where o.status = 'Complete' and o.task_type = t.task_type
          and o.params ->> 'orchestrator_task_id_ref' = t.params ->> 'orchestrator_task_id_ref'
          and o.params -> 'segment_index' is not distinct from t.params -> 'segment_index'
          and o.params -> 'join_index' is not distinct from t.params -> 'join_index'
      )
    `,
  ];
}
