-- What: a table for beats that could not be written into the row of their worker.
-- Why: a transaction that holds that row, and is left open, must neither keep a beat waiting nor make a live worker silent.
-- Back out: drop table queue.noted_beats;

set lock_timeout = '900ms';

create table queue.noted_beats (
  worker_id text not null,
  beat_at timestamptz not null,
  constraint noted_beats_pkey primary key (worker_id, beat_at)
);

comment on table queue.noted_beats is
  'Beats of workers whose row another transaction held: signs of life for queue.lost_tasks, deleted by the rescue an hour later.';

alter table queue.noted_beats enable row level security;

revoke all on table queue.noted_beats from public, anon, authenticated, service_role;
grant select on table queue.noted_beats to service_role;
