import { taskId, userId } from "./worlds/ids.ts";
import { type Enqueue, meant } from "./commands.ts";
import { announcedBy } from "./enqueuing.ts";
import { KINDS } from "./kinds.ts";
import { text } from "./literals.ts";
import { OLD_AGE } from "./numbers.ts";
import type { Step } from "./step.ts";
import { announcing, childOf, partNo } from "../support/fleet-words.ts";
import { isGuest } from "../support/profile.ts";

/** Enqueues a task by a plain insert, or with a key by `create_task`. */
export function enqueueing(
  { known, parent }: Step,
  command: Enqueue,
): string {
  const { owner, kind, part, priority, dueIn, key, isOld } = command;
  const announced = announcedBy(command);
  const other = meant(command.dependsOn, known);
  const inSeconds = (count: number) => `pg_temp.in_seconds(${count})`;
  const params = JSON.stringify({
    ...(parent === null ? {} : childOf(taskId(parent))),
    ...(kind === "part" ? partNo(part) : {}),
    // The fleet's type says it.
    ...(kind === "final" && isGuest ? { is_final: true } : {}),
    ...(announced === null ? {} : announcing(announced)),
  });
  const columns = {
    task_type: text(KINDS[kind].type),
    params: `${text(params)}::jsonb`,
    run_type: text(command.isLocal ? "local" : "cloud"),
    priority: String(priority),
    available_at: dueIn === null ? "null" : inSeconds(dueIn),
    created_at: inSeconds(isOld ? -OLD_AGE : 0),
  };
  if (key === null) {
    const row = {
      id: text(taskId(known)),
      project_id: text(userId(owner)),
      dependant_on: other === null ? "null" : text(taskId(other)),
      ...columns,
    };
    return `insert into public.tasks (${Object.keys(row).join(", ")})
      values (${Object.values(row).join(", ")}) returning null`;
  }
  const request = {
    task_id: text(taskId(known)),
    project: text(userId(owner)),
    depends_on: other === null ? "null" : `array[${text(taskId(other))}]`,
    idempotency_key: text(`key-${key}`),
    ...columns,
  };
  const members = Object.entries(request).map(([name, value]) =>
    `${text(name)}, ${value}`
  );
  return `select null from public.create_task('{"kind":"service"}',
      jsonb_build_object(${members.join(", ")}))`;
}
