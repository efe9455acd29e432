begin;
select plan(39);

-- SETUP: a mixture of everything that is counted
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 3) as owner \gset
select tests.create_user() as idle \gset
select tests.create_task(:'idle') as last_of_idle \gset
select tests.create_task(:'owner', t) from unnest('{clip,film_orchestrator,edit_image}'::text[]) as t, generate_series(1, 3);
select tests.create_task(:'owner') as at_home \gset
update public.tasks set run_type = 'local' where id = :'at_home';
select tests.create_task(:'owner', p_age => '8 days');
select tests.create_task(:'owner', p_dependant_on => gen_random_uuid()) from generate_series(1, 2);
select tests.create_task(:'owner') as not_due \gset
update public.tasks set available_at = fairlane_core.now() + interval '1 hour' where id = :'not_due';
insert into public.tasks (task_type, project_id) values ('clip', null);
update public.tasks set status = 'Cancelled' where id = :'last_of_idle';
select tests.create_task_in('In Progress', :'owner', t) from unnest('{clip,film_orchestrator,edit_image}'::text[]) as t;

-- TEST: a mixture that came about by the rules
select is_empty('select * from fairlane_core.drift()', 'drift() finds nothing in a mixture');
select is_empty('select * from tests.drift()', 'Nor does a recount by other means');
select tests.step_clock('8 days');
select is_empty('select * from fairlane_core.drift()', 'Time that passes is no drift');

-- TEST: whatever is tampered with is found, and nothing else
create function pg_temp.found(p_tampering text) returns text language plpgsql as $$
declare
  v_found text;
begin
  execute p_tampering;
  select coalesce(string_agg(distinct d.user_id::text, ', '), 'nobody') into v_found from fairlane_core.drift() as d;
  -- Undone again.
  raise exception using errcode = 'ZZ001', message = v_found;
exception when sqlstate 'ZZ001' then
  return sqlerrm;
end;
$$;
create function pg_temp.finds(p_tampering text, p_user_id uuid) returns text language sql as $$
  select is(
    pg_temp.found(p_tampering), p_user_id::text, 'drift() finds ' || regexp_replace(p_tampering, '''[-0-9a-f]{36}''', '…')
  );
$$;

-- What runs and what may, copied to the slots.
select pg_temp.finds('update fairlane_core.user_slots set running = running + 1 where running > 0', :'owner');
select pg_temp.finds('update fairlane_core.user_slots set running = running - 1 where running > 0', :'owner');
select pg_temp.finds('update fairlane_core.user_slots set running = 5 where running = 0', :'idle');
select pg_temp.finds('update fairlane_core.user_slots set task_limit = 99 where running > 0', :'owner');
select pg_temp.finds('update fairlane_core.user_slots set has_credits = false where running > 0', :'owner');
select pg_temp.finds('update fairlane_core.user_slots set cloud_on = false where running > 0', :'owner');
select pg_temp.finds('update fairlane_core.user_slots set local_on = false where running > 0', :'owner');
select pg_temp.finds('update fairlane_core.user_slots set settings_malformed = true where running > 0', :'owner');
select pg_temp.finds('update fairlane_core.user_slots set cloud_reason = ''no_credits'' where running > 0', :'owner');
select pg_temp.finds('update fairlane_core.user_slots set local_reason = ''user_at_limit'' where running > 0', :'owner');
select pg_temp.finds('delete from fairlane_core.user_slots where running > 0', :'owner');
select pg_temp.finds('delete from fairlane_core.user_slots where running = 0', :'idle');

-- The lines, which are open, column by column.
select pg_temp.finds(format('update fairlane_core.user_queues set %1$I = %1$I + 1 where pool = ''gpu'' and user_id = %2$L', c, :'owner'), :'owner')
from unnest('{ready_cloud,ready_cloud_orchestration,ready_local,ready_local_orchestration,active_cloud,active_cloud_orchestration,active_local,active_local_orchestration}'::text[]) as c;
select pg_temp.finds('update fairlane_core.user_queues set ready_cloud = ready_cloud - 1 where pool = ''api'' and ready_cloud > 0', :'owner');
select pg_temp.finds('update fairlane_core.user_queues set is_open = not is_open where ready_cloud > 0', :'owner');
select pg_temp.finds(format('update fairlane_core.user_queues set is_open = true where user_id = %L', :'idle'), :'idle');
select pg_temp.finds('delete from fairlane_core.user_queues where ready_cloud > 0', :'owner');
select pg_temp.finds(format($$ insert into fairlane_core.user_queues (user_id, pool, ready_cloud, last_served_at) values (%L, 'api', 1, now()) $$, :'idle'), :'idle');

-- The blocked ones.
select pg_temp.finds('update fairlane_core.blocked_tasks set task_count = task_count + 1 where reason = ''dependency_lost''', :'owner');
select pg_temp.finds('update fairlane_core.blocked_tasks set is_cloud = not is_cloud where reason = ''not_yet''', :'owner');
select pg_temp.finds('delete from fairlane_core.blocked_tasks where reason = ''stale''', :'owner');
select pg_temp.finds('delete from fairlane_core.blocked_tasks where reason = ''no_owner''', '00000000-0000-0000-0000-000000000000');
select pg_temp.finds(
  format($$ insert into fairlane_core.blocked_tasks (user_id, pool, reason, is_cloud, task_count) values (%L, 'gpu', 'stale', true, 1) $$, :'idle'), :'idle'
);

-- TEST: the copy of running orders the turns, so it counts where the line is open
select pg_temp.finds('update fairlane_core.user_queues set running = running + 1 where is_open', :'owner');

-- TEST: totals of tasks that have ended, which are nobody's.
insert into fairlane_core.status_totals (status, task_count, last_event_id) values ('Complete', 7, (select max(e.id) from public.task_events as e))
on conflict (status) do update set task_count = excluded.task_count, last_event_id = excluded.last_event_id;
select results_eq(
  'select d.user_id, d.stored, d.counted from fairlane_core.drift() as d', $$values (null::uuid, '{"Complete": 7}'::jsonb, '{"Complete": 0}'::jsonb)$$,
  'drift() finds a total that is wrong'
);
select is(fairlane_core.reconcile(), 1, 'reconcile() mends it');
select is_empty('select * from fairlane_core.drift()', 'For good');

-- TEST: for the operator alone
select tests.authenticate_as('service_role');
select lives_ok('select * from fairlane_core.drift()', 'drift() is for the operator');
select tests.authenticate_as(:'owner');
select throws_ok('select * from fairlane_core.drift()', '42501', null, 'drift() is not for signed-in users');

select * from finish();
rollback;
