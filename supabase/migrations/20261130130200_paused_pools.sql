-- What: queue.settings.paused_pools.
-- Why: to pause a pool, an operator had to touch every type or every owner in it.
-- Back out: apply the functions of the files before this one again, then drop the column and, of queue.load_summary,
-- the attribute pool_paused.

set lock_timeout = '900ms';

select queue.lock_tables('queue.settings');

alter table queue.settings
  add column paused_pools text[] not null default '{}',
  add constraint settings_paused_pools_are_pools check (paused_pools <@ array['gpu', 'api']);

comment on column queue.settings.paused_pools is
  'Pools (gpu, api) of which no claim gets a task for now (pool_paused); what runs goes on. Default none.';

alter type queue.load_summary add attribute pool_paused integer;

comment on type queue.load_summary is
  'Sums over users: tasks claimable one after another, owners of such tasks, users with live work, active tasks as in user_load_row, ready tasks held back by each reason of an owner; the users that had to be looked at one by one; what only time has changed since tasks were written; ready tasks of pools that are paused.';
