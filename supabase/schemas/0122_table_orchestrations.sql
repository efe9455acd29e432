-- One small row per orchestrator with children: how they stand. Counted in the transaction of each change under the
-- owner's lock, so that the last of 1,000 children costs no more than the first.
create table queue.orchestrations (
  orchestrator_id uuid not null,
  user_id uuid not null,
  open_count integer not null default 0,
  complete_count integer not null default 0,
  failed_count integer not null default 0,
  cancelled_count integer not null default 0,
  segment_count integer not null default 0,
  join_count integer not null default 0,
  stitch_count integer not null default 0,
  enqueued_attempt integer,
  ended_as text,
  changed_at timestamptz not null,
  constraint orchestrations_pkey primary key (orchestrator_id)
);

-- Families whose orchestrator may have to end, or whose children may have to: what queue.mend_orchestrations looks at.
create index orchestrations_to_mend on queue.orchestrations (changed_at)
  where (
    ended_as is null
    and (failed_count > 0 or (open_count = 0 and complete_count + cancelled_count > 0))
  ) or (ended_as = 'Cancelled' and open_count > 0);

-- The same where the children of a failed one fail with it (queue.settings.fails_siblings).
create index orchestrations_failed_with_open_children on queue.orchestrations (orchestrator_id)
  where ended_as = 'Failed' and open_count > 0;

comment on table queue.orchestrations is
  'Per orchestrator: how its children stand, those that were replaced left out. Derived, kept in the transaction of each change.';
comment on column queue.orchestrations.open_count is 'Children that are Queued or In Progress.';
comment on column queue.orchestrations.segment_count is 'Children that are segments, whatever their state; the next two likewise.';
comment on column queue.orchestrations.enqueued_attempt is
  'The start in which the orchestrator reported that it has enqueued its children; null = it has not.';
comment on column queue.orchestrations.ended_as is 'How the orchestrator ended; null = it is Queued or In Progress.';
comment on column queue.orchestrations.changed_at is 'When one of the counts last changed.';

alter table queue.orchestrations set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
alter table queue.orchestrations enable row level security;

revoke all on table queue.orchestrations from public, anon, authenticated, service_role;
grant select on table queue.orchestrations to service_role;
