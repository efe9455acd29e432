import { z } from "zod";
import type { Finding, Severity } from "../finding.ts";

const Message = z.object({ code: z.string(), message: z.string() });

/**
 * What is read of the reply of `health` (shared/health.ts). Less strict than
 * that: a younger queue may say more than this command knows.
 */
export const HealthOfAnyVersion = z.object({
  version: z.string(),
  reasons: z.array(Message),
  notices: z.array(Message),
});
export type HealthOfAnyVersion = z.infer<typeof HealthOfAnyVersion>;

/** What to do about a reason, and how bad it is. */
const REASONS: Readonly<
  Record<string, { readonly severity: Severity; readonly remedy: string }>
> = {
  JOB_LATE: {
    severity: "warning",
    remedy:
      "See that pg_cron, or your own timer, runs. By hand: select fairlane_core.run_job('<name of the job>')",
  },
  JOB_FAILED: {
    severity: "warning",
    remedy:
      "Remove the cause, then see whether it works: select fairlane_core.run_job('<name of the job>')",
  },
  DRIFT: {
    severity: "warning",
    remedy:
      "It has been repaired. Please report it, with what was going on at that time",
  },
  ROW_MISSING: {
    severity: "error",
    remedy: "Run the statement at the end of the message",
  },
  RESTORE_UNFINISHED: {
    severity: "error",
    remedy: "select fairlane_core.rebuild()",
  },
  SETTLING_LATE: {
    severity: "warning",
    remedy:
      "See what stops it: select fairlane_core.run_job('settle'), and the sessions that hold its rows",
  },
  HELD_UP: {
    severity: "warning",
    remedy: "End that session, or wait until its transaction is over",
  },
};

/** A job that was never scheduled, as `health` reports it. */
const UNSCHEDULED = /\bjob (\w+) of fairlane_core\.job_runs\b/;

/** What `health` says, with remedies. */
export function findingsOfHealth(
  { reasons, notices }: HealthOfAnyVersion,
): Finding[] {
  // One finding for all of them: they are scheduled together.
  const unscheduled = reasons.flatMap(({ message }) =>
    UNSCHEDULED.exec(message)?.[1] ?? []
  );
  return [
    ...unscheduled.length === 0 ? [] : [notScheduled(unscheduled)],
    ...reasons
      .filter(({ message }) => !UNSCHEDULED.test(message))
      .map(({ code, message }) => ({
        code: code.toLowerCase().replaceAll("_", "-"),
        severity: REASONS[code]?.severity ?? "warning",
        what: message,
        remedy: REASONS[code]?.remedy ??
          "This command does not know this reason: update the package",
      })),
    ...notices.map(({ code, message }) => ({
      code: code.toLowerCase().replaceAll("_", "-"),
      severity: "note" as const,
      what: message,
      remedy: "Nothing, if that is intended",
    })),
  ];
}

function notScheduled(jobs: readonly string[]): Finding {
  return {
    code: "jobs-not-scheduled",
    severity: "warning",
    what: `Jobs of the queue are not scheduled: ${jobs.join(", ")}. ` +
      "Until they are, work of dead machines waits for the next idle worker, and nothing is cleaned up",
    remedy:
      "With pg_cron: npx fairlane init --jobs, then push the migration.\n" +
      withoutCron(jobs),
  };
}

/** How the jobs run without pg_cron. */
export function withoutCron(jobs: readonly string[]): string {
  return `Without: by any timer, as often as fairlane_core.jobs() says, select fairlane_core.run_job('<name>') for each of: ${
    jobs.join(", ")
  }`;
}
