import { taskId, tokenHash, userId } from "./worlds/ids.ts";
import { meant, type Report, type Speaker, type TaskRef } from "./commands.ts";
import type { Status } from "./worlds/world.ts";
import { enqueueing } from "./enqueue-statement.ts";
import { text } from "./literals.ts";
import { isGuest } from "../support/profile.ts";
import { workerName } from "./state.ts";
import { outputOf, type Step } from "./step.ts";

/** What a command is to the database. */
export interface Statement {
  readonly sql: string;
  readonly role: "service_role" | "postgres";
}

/** Under its own name a beat is the fleet's; what it does is everybody's. */
const BEAT = isGuest
  ? "fairlane_core.worker_heartbeat"
  : "public.func_worker_heartbeat_with_logs";

/** A task that nobody ever enqueues. */
const NO_TASK = taskId(0xffff);

/** The statement of a step: what deployed clients and functions send. */
export function statementOf(step: Step): Statement {
  const { command } = step;
  const worker = "worker" in command
    ? text(workerName("by" in command ? command.by : "service", command.worker))
    : "";
  switch (command.do) {
    case "enqueue":
      return service(enqueueing(step, command));
    case "claim":
      return service(`select pg_temp.claim(
        ${caller(command.by)}, ${worker}, ${text(command.pool)},
        ${command.claimId === null ? "null" : text(`claim-${command.claimId}`)}
      )`);
    case "delete":
      return service(
        `delete from public.tasks where id = ${idOf(step, command.task)}
        returning null`,
      );
    case "patch":
      return service(
        `update public.tasks set ${patched(step, command.to)}
        where id = any (${idsOf(step, command.tasks)}) returning null`,
      );
    case "requeue":
      return service(
        `select null from public.requeue_tasks(${idsOf(step, command.tasks)})`,
      );
    case "beat":
      return service(
        `select null from ${BEAT}(json_build_object(${
          [
            ["worker_id_param", worker],
            ["status_param", text(command.says)],
            [
              "current_task_id_param",
              command.naming === null ? "null" : idOf(step, command.naming),
            ],
          ].map(([name, value]) => `'${name}', ${value}`).join(", ")
        }))`,
      );
    case "set worker":
      return service(
        `update public.workers set status = ${text(command.to)}
        where id = ${worker} returning null`,
      );
    case "set limit":
      return operator(
        `update public.users set max_in_progress = ${command.to}
        where id = ${text(userId(command.owner))} returning null`,
      );
    case "fail siblings":
      return operator(
        `update fairlane_core.settings set fails_siblings = ${command.to} returning null`,
      );
    case "tick":
      return operator(
        `update fairlane_core.settings
        set clock_offset = clock_offset + interval '${command.seconds} seconds'
        returning null`,
      );
    case "rescue":
    case "sweep":
      return operator(`select null from fairlane_core.${command.do}()`);
    case "cleanup":
      return operator(
        "select null from fairlane_core.sweep(), fairlane_core.cleanup()",
      );
    case "mend families":
      return operator("select null from fairlane_core.repair_orchestrations()");
    default:
      return report(step, command);
  }
}

function report(
  step: Step,
  { do: saying, task, by, lease }: Report,
): Statement {
  const named = idOf(step, task);
  const who = `${caller(by)}, ${named}`;
  const token = lease === "none"
    ? ""
    : `, p_lease_token => pg_temp.lease(${named}, ${text(lease)})`;
  const status = (to: string, output: string) =>
    `public.update_task_status(${who}, ${text(to)}, ${output}${token})`;
  const calls = {
    complete: `public.complete_task(${who}, ${text(outputOf(step))}${token})`,
    fail: status("Failed", "'boom'"),
    "fail, try again": `public.mark_task_failed(${who}, 'boom'${token})`,
    "fail, once more": status("Queued", "null, p_error_details => 'boom'"),
    "report progress": status("In Progress", "'half'"),
    "hand back": status("Queued", "null"),
    cancel: status("Cancelled", "null"),
  };
  return service(`select ${calls[saying]} ->> 'status'`);
}

/** What deployed clients write together with a status. */
function patched(step: Step, to: Status): string {
  const texts = {
    Queued: `worker_id = null, generation_started_at = null,
      generation_processed_at = null, error_message = 'Reset'`,
    "In Progress": "error_details = 'a note'",
    Complete: `output_location = ${text(outputOf(step))}`,
    Failed: "error_message = 'boom'",
    Cancelled: "error_message = 'not wanted'",
  };
  return `status = ${text(to)}, ${texts[to]}`;
}

function service(sql: string): Statement {
  return { sql, role: "service_role" };
}

function operator(sql: string): Statement {
  return { sql, role: "postgres" };
}

function caller(by: Speaker): string {
  return json(
    by === "service"
      ? { kind: "service" }
      : { kind: "token", hash: tokenHash(by) },
  );
}

function idOf({ known }: Step, ref: TaskRef): string {
  if (typeof ref !== "number") {
    return "running" in ref
      ? `pg_temp.nth(${ref.running}, 'In Progress')`
      : `pg_temp.nth(${ref.lost}, 'Failed', 'Cancelled')`;
  }
  const place = meant(ref, known);
  return `uuid ${text(place === null ? NO_TASK : taskId(place))}`;
}

function idsOf(step: Step, refs: readonly TaskRef[]): string {
  const ids = refs.map((ref) => idOf(step, ref));
  return `array[${ids.join(", ")}]::uuid[]`;
}

function json(value: unknown): string {
  return text(JSON.stringify(value));
}
