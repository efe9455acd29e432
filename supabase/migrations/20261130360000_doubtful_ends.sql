-- What: queue.noted_beats.doubtful_leases: starts that may have been those of a machine which ended under a name of many.
-- Why: the last beat of one of several machines under one name freed nothing, and the beats of the others kept what it had.
-- Back out: alter table queue.noted_beats drop column doubtful_leases; the functions of before come with their own migration.
set lock_timeout = '900ms';

alter table queue.noted_beats add column doubtful_leases uuid[];

comment on table queue.noted_beats is
  'Beats of workers whose row another transaction held: signs of life for queue.lost_tasks, deleted by the rescue an hour later; and ends, of users'' machines while another transaction held what they run, and of machines under a name that several share, deleted with the last of these starts.';

comment on column queue.noted_beats.leases is
  'The starts (tasks.lease_token) that the end leaves to the rescue; null where the end is that of one worker of the fleet.';

comment on column queue.noted_beats.doubtful_leases is
  'The starts that were under way under the shared name of a machine which ended: which of them were its own, those show that no machine names again.';

comment on type queue.lost_task is
  'A running task to be put back: its present start (lease_token, reported_at), who held it, the cause (worker_ended, terminated or crashed as a machine said, worker_silent, caller_silent, unassigned, unnamed, timed_out, never_delivered, failure_told, token_ended, enqueued_nothing, left_behind) and the same in words.';
