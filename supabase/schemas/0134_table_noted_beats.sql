-- Beats that could not be written into the row of their worker, because another transaction holds it; of users' own
-- machines, which have no row, only ends: while another transaction holds a task that they run, or its owner. And ends of
-- machines under a name that several share: whose a task was shows later, when nobody names it again.
create table queue.noted_beats (
  worker_id text not null,
  beat_at timestamptz not null,
  status text, -- an end that is still to be applied
  leases uuid[],
  doubtful_leases uuid[],
  constraint noted_beats_pkey primary key (worker_id, beat_at)
);

comment on table queue.noted_beats is
  'Beats of workers whose row another transaction held: signs of life for queue.lost_tasks, deleted by the rescue an hour later; and ends, of users'' machines while another transaction held what they run, and of machines under a name that several share, deleted with the last of these starts.';

comment on column queue.noted_beats.status is
  'The end that the beat told of (terminated, crashed), until the rescue could write it into the worker''s row.';

comment on column queue.noted_beats.leases is
  'The starts (tasks.lease_token) that the end leaves to the rescue; null where the end is that of one worker of the fleet.';

comment on column queue.noted_beats.doubtful_leases is
  'The starts that were under way under the shared name of a machine which ended: which of them were its own, those show that no machine names again.';

alter table queue.noted_beats enable row level security;

revoke all on table queue.noted_beats from public, anon, authenticated, service_role;
grant select on table queue.noted_beats to service_role;
