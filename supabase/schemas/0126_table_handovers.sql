-- Running orchestration tasks that have enqueued everything, or whose workers claim again, and need no worker any more: they take no place among those
-- that do. Remembered for the start it was said in; what happens to the children later does not take it back.
create table queue.handovers (
  orchestrator_id uuid not null,
  lease_token uuid not null,
  constraint handovers_pkey primary key (orchestrator_id)
);

comment on table queue.handovers is 'Orchestration tasks In Progress that need no worker, because all of their children are enqueued.';
comment on column queue.handovers.lease_token is 'The start in which they were enqueued; zeros for one from before leases.';

alter table queue.handovers enable row level security;

revoke all on table queue.handovers from public, anon, authenticated, service_role;
grant select on table queue.handovers to service_role;
