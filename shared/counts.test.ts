import { expect, test } from "vitest";
import { CountsReply } from "./counts.ts";

const reply = {
  run_type: "gpu",
  totals: {
    queued_only: 3,
    eligible_queued: 3,
    active_only: 1,
    queued_plus_active: 4,
    potentially_claimable: 5,
    blocked_by_capacity: 2,
    blocked_by_deps: 0,
    blocked_by_settings: 0,
  },
  count: 3,
  available_tasks: 3,
  queued_plus_active: 4,
  global_task_breakdown: {
    in_progress_total: 1,
    in_progress_cloud: 1,
    in_progress_local: 0,
    orchestrator_tasks: 0,
  },
  blocked: { user_at_limit: 2 },
  oldest_claimable_age_seconds: 12.5,
  users: [],
  users_total: 0,
  recent_tasks: [],
  queued_tasks: [],
  active_tasks: [{
    task_id: "00000000-0000-0000-0000-0000000000a1",
    task_type: "travel_segment",
    started_at: "2026-01-02T03:04:05+00:00",
  }],
  arrivals_per_minute: null,
  completions_per_minute: 1.4,
  warnings: [],
  suggested_workers: null,
  snapshot_at: "2026-01-02T03:04:06+00:00",
};

test("CountsReply accepts a snapshot with fields added", () => {
  expect(CountsReply.parse({ ...reply, added: 1 })).toMatchObject(reply);
});

test.each(["task_id", "task_type", "worker_id", "started_at"])(
  "CountsReply refuses a null %s, which ends an orchestrator's cycle",
  (field) => {
    const active_tasks = [{ ...reply.active_tasks[0], [field]: null }];
    expect(CountsReply.safeParse({ ...reply, active_tasks }).success)
      .toBe(false);
  },
);
