-- How many tasks have ended, without counting a million rows: the history is counted on, a piece a minute. No task
-- writes here, so no two of them wait for each other.
create table queue.status_totals (
  status text not null,
  task_count bigint not null,
  last_event_id bigint not null,
  constraint status_totals_pkey primary key (status)
);

comment on table queue.status_totals is 'Tasks per final status, as of an event.';
comment on column queue.status_totals.last_event_id is 'The last event that was counted; later ones are counted when somebody asks.';

alter table queue.status_totals enable row level security;

revoke all on table queue.status_totals from public, anon, authenticated, service_role;
grant select on table queue.status_totals to service_role;
