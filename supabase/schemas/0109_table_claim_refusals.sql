-- Workers whose claims were refused because of what their row says. A refusal itself rolls back, so it is noted by a
-- second call, at most once a minute and worker.
create table queue.claim_refusals (
  worker_id text not null,
  status text not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  constraint claim_refusals_pkey primary key (worker_id)
);

comment on table queue.claim_refusals is 'Per worker, claims refused with WORKER_NOT_ELIGIBLE; kept for a week.';
comment on column queue.claim_refusals.status is 'The worker''s status at the last one.';
comment on column queue.claim_refusals.first_at is 'When its claims began to be refused.';
comment on column queue.claim_refusals.last_at is 'The last one noted; exact to a minute.';

alter table queue.claim_refusals enable row level security;

revoke all on table queue.claim_refusals from public, anon, authenticated, service_role;
grant select on table queue.claim_refusals to service_role;
