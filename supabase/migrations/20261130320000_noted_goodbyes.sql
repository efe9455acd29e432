-- What: queue.noted_beats.leases: starts that the end of a user's machine leaves to the rescue.
-- Why: a goodbye is tried once; while somebody's transaction held the task or its owner it was refused, and the work came
--   back only once the machine was missed.
-- Back out: alter table queue.noted_beats drop column leases; the functions of before come with their own migration.
set lock_timeout = '900ms';

alter table queue.noted_beats add column leases uuid[];

comment on table queue.noted_beats is
  'Beats of workers whose row another transaction held: signs of life for queue.lost_tasks, deleted by the rescue an hour later; and ends that users'' machines told of while another transaction held what they run, deleted with the last of these starts.';

comment on column queue.noted_beats.leases is
  'The starts (tasks.lease_token) that the end of a user''s machine leaves to the rescue; null for workers of the fleet.';

comment on type queue.lost_task is
  'A running task to be put back: its present start (lease_token, reported_at), who held it, the cause (worker_ended, terminated or crashed as a user''s machine said, worker_silent, caller_silent, unassigned, timed_out, never_delivered, token_ended, enqueued_nothing, left_behind) and the same in words.';
