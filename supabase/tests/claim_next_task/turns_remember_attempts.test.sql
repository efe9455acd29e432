begin;
select plan(6);

-- SETUP: three users with room for many and more work than workers; of one of them every task is cancelled at once, and
-- its worker asks again
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 50) as ana \gset
select tests.create_user(p_max_in_progress => 50) as eager \gset
select tests.create_user(p_max_in_progress => 50) as ben \gset
select tests.create_task(u.id) from unnest(array[:'ana', :'eager', :'ben']::uuid[]) as u (id), generate_series(1, 60);
create function pg_temp.starts(p_eager uuid, p_workers integer, p_claims integer) returns jsonb language plpgsql as $$
declare
  v_task public.tasks;
  v_worker integer := 1;
  v_starts jsonb := '{}';
begin
  for v_claim in 1..p_claims loop
    exit when v_worker > p_workers;
    v_task := tests.task(tests.claim('gpu-' || v_worker));
    exit when v_task.id is null;
    v_starts := v_starts || jsonb_build_object(v_task.user_id, coalesce((v_starts ->> v_task.user_id::text)::integer, 0) + 1);
    if v_task.user_id = p_eager then
      perform public.update_task_status(tests.signed_in(p_eager), v_task.id, 'Cancelled');
    else
      v_worker := v_worker + 1;
    end if;
  end loop;
  return v_starts;
end;
$$;

-- TEST: who cancels is served no more often
select pg_temp.starts(:'eager', 60, 45) as starts \gset
select is(:'starts'::jsonb ->> :'eager', '15', 'A third of the starts');
select is(:'starts'::jsonb ->> :'ana', '15', 'And a third for each of the others');

-- TEST: nor is anybody locked out
select is(tests.counts() #> '{users,0,in_progress_tasks}' is not null, true, 'The counts list them');
select is_empty('select * from fairlane_core.drift()', 'The counters are what the tasks add up to');
update public.tasks set status = 'Complete' where status = 'In Progress' and user_id <> :'eager';
select tests.step_clock('1 minute');
select fairlane_core.rescue();
select is(
  (select count(distinct t.user_id)::integer from generate_series(1, 3) as n cross join lateral tests.task(tests.claim('gpu-9' || n)) as t), 3,
  'After a minute nothing is remembered, and all three are next'
);
select is_empty('select * from fairlane_core.held_slots as h where h.let_go_at is not null', 'Nothing of it is kept');

select * from finish();
rollback;
