begin;
select plan(31);

-- SETUP: running <- second <- third <- fourth, a task beside the third, and one that waits for something else too
select tests.empty_queue();
select tests.create_user() as owner \gset
create function pg_temp.chain(p_owner uuid, p_state text default 'In Progress') returns uuid[] language plpgsql as $$
declare
  v_ids uuid[] := array[tests.create_task_in(p_state, p_owner)];
begin
  for v_place in 1..3 loop
    v_ids := v_ids || tests.create_task(p_owner, p_dependant_on => v_ids[v_place]);
  end loop;
  return v_ids;
end;
$$;
create function pg_temp.states(p_ids uuid[]) returns text language sql as $$
  select string_agg(t.status, ', ' order by i.place)
  from unnest(p_ids) with ordinality as i (id, place)
    join public.tasks as t on t.id = i.id;
$$;

-- TEST: a failure takes along everything below it, and each says why
select pg_temp.chain(:'owner') as chain \gset
select (:'chain'::uuid[])[1] as root \gset
select tests.create_task(:'owner', p_dependant_on => (:'chain'::uuid[])[2]) as beside \gset
select tests.create_task(:'owner') as independent \gset
select public.update_task_status(tests.service(), :'root', 'Failed', p_error_message => 'CUDA out of memory');
select is(pg_temp.states(:'chain'), 'Failed, Failed, Failed, Failed', 'The whole chain is Failed');
select is((tests.task(:'beside')).status, 'Failed', 'So is what waited beside it');
select is((tests.task(:'independent')).status, 'Queued', 'What does not wait for it goes on');
select is((tests.task(:'root')).error_message, 'CUDA out of memory', 'The cause keeps its own words');
select is(
  (tests.task((:'chain'::uuid[])[2])).error_message,
  format('Cascaded failed from related task %1$s: %1$s <- %2$s (Failed: CUDA out of memory)', :'root', (:'chain'::uuid[])[2]),
  'The next one names the cause'
);
select is(
  (tests.task((:'chain'::uuid[])[3])).error_message,
  format('Cascaded failed from related task %1$s: %1$s <- %2$s <- %3$s (Failed: CUDA out of memory)', :'root', (:'chain'::uuid[])[2], (:'chain'::uuid[])[3]),
  'The third names the chain'
);
select is(
  (tests.task((:'chain'::uuid[])[4])).error_message,
  format('Cascaded failed from related task %1$s: %1$s <- … <- %2$s <- %3$s (Failed: CUDA out of memory)', :'root', (:'chain'::uuid[])[3], (:'chain'::uuid[])[4]),
  'A long chain is named by its ends'
);
select is((tests.task(:'beside')).output_location, (tests.task(:'beside')).error_message, 'It is where debug tools look, too');
select results_eq(
  format($$select e.from_status, e.to_status, e.actor, e.reason = t.error_message from public.task_events as e join public.tasks as t on t.id = e.task_id
    where e.task_id = %L order by e.id desc limit 1$$, :'beside'),
  $$values ('Queued', 'Failed', 'service', true)$$, 'The history tells it of each'
);
select is((select count(*) from public.task_events where task_id = any (:'chain') and to_status = 'Failed'), 4::bigint, 'Once of each');

-- TEST: a cancellation and a deletion cancel
select pg_temp.chain(:'owner', 'Queued') as chain \gset
update public.tasks set status = 'Cancelled' where id = (:'chain'::uuid[])[1];
select is(pg_temp.states(:'chain'), 'Cancelled, Cancelled, Cancelled, Cancelled', 'Cancelled goes down the chain');
select matches(
  (tests.task((:'chain'::uuid[])[4])).error_message, '^Cascaded failed from related task [-0-9a-f]{36}: .* \(Cancelled', 'In words that debug tools know'
);
select pg_temp.chain(:'owner') as chain \gset
set local role service_role;
delete from public.tasks where id = (:'chain'::uuid[])[1];
reset role;
select is(pg_temp.states((:'chain'::uuid[])[2:]), 'Cancelled, Cancelled, Cancelled', 'What waits for a deleted task is Cancelled');
select matches((tests.task((:'chain'::uuid[])[2])).error_message, '\(deleted\)$', 'And says that it was deleted');
select pg_temp.chain(:'owner') as chain \gset
delete from public.tasks where id = any ((:'chain'::uuid[])[1:2]);
select is(pg_temp.states((:'chain'::uuid[])[3:]), 'Cancelled, Cancelled', 'Also when several are deleted at once');

-- TEST: in one statement some fail and some are cancelled: a failure is the better reason
select tests.create_task_in('In Progress', :'owner') as failing \gset
select tests.create_task_in('In Progress', :'owner') as cancelled \gset
select tests.create_task(:'owner', p_dependant_on => :'cancelled') as both \gset
select fairlane_core.depend_on(:'both', array[:'failing'::uuid]);
update public.tasks set status = case id when :'failing' then 'Failed' else 'Cancelled' end where id in (:'failing', :'cancelled');
select is((tests.task(:'both')).status, 'Failed', 'Below a failed and a cancelled task a task is Failed');

-- TEST: one of several dependencies is enough, and many ways to a task are one
select tests.create_task_in('In Progress', :'owner') as lost \gset
select tests.create_task_in('In Progress', :'owner') as running \gset
select tests.create_task(:'owner', p_dependant_on => :'running') as left_way \gset
select fairlane_core.depend_on(:'left_way', array[:'lost'::uuid]);
select tests.create_task(:'owner', p_dependant_on => :'lost') as right_way \gset
select tests.create_task(:'owner', p_dependant_on => :'left_way') as diamond \gset
select fairlane_core.depend_on(:'diamond', array[:'right_way', :'lost']::uuid[]);
select is((tests.task(:'diamond')).dependant_on, :'left_way'::uuid, 'dependant_on stays the first dependency');
update public.tasks set status = 'Failed', error_message = 'broken' where id = :'lost';
select is(pg_temp.states(array[:'left_way', :'right_way', :'diamond']::uuid[]), 'Failed, Failed, Failed', 'All that can never run end');
select is((select count(*) from public.task_events where task_id = :'diamond'), 2::bigint, 'Each once');
select is((tests.task(:'running')).status, 'In Progress', 'The other dependency runs on');

-- TEST: functions lock all of it beforehand
select lives_ok(
  format('select fairlane_core.lock_relatives(%L), fairlane_core.lock_relatives(%L, ''Complete'')', :'running', :'running'), 'lock_relatives() locks what goes with a task'
);

-- TEST: nobody else's tasks
select tests.create_user() as stranger \gset
select tests.create_task_in('In Progress', :'owner') as victim \gset
select tests.create_task(:'stranger', p_dependant_on => :'victim') as foreign_task \gset
update public.tasks set status = 'Failed' where id = :'victim';
select is((tests.task(:'foreign_task')).status, 'Queued', 'A stranger''s task is left alone');
select is((tests.task(:'foreign_task')).readiness, 'dependency_lost', 'It waits for what it never could have');

-- TEST: a task that comes after the end stays, and says why it waits
select tests.create_task(:'owner', p_dependant_on => :'victim') as late \gset
select is((tests.task(:'late')).status, 'Queued', 'A task that comes after the end of its dependency is enqueued');
select is((tests.task(:'late')).readiness, 'dependency_lost', 'As lost');

-- TEST: a long chain goes piece by piece
with recursive numbered as (
  select n, md5('link ' || n)::uuid as id, case when n > 1 then md5('link ' || n - 1)::uuid end as before
  from generate_series(1, 2000) as n
)
insert into public.tasks (id, task_type, project_id, dependant_on)
select n.id, 'test', (select p.id from public.projects as p where p.user_id = :'owner' limit 1), n.before from numbered as n;
update public.tasks set status = 'Failed' where id = md5('link 1')::uuid;
select is(
  (select count(*) from public.tasks where status = 'Queued' and readiness <> 'dependency_pending' and id in (select md5('link ' || n)::uuid from generate_series(1, 2000) as n)),
  0::bigint, 'No claim gets what is lost and not yet settled'
);
do $$ begin while (fairlane_core.settle_deferred() ->> 'finished')::integer > 0 loop null; end loop; end $$;
select is_empty('select * from fairlane_core.deferred_work', 'The work comes to an end');
select is(
  (tests.task(md5('link 2')::uuid)).error_message || '; ' || (tests.task(md5('link 3')::uuid)).error_message || '; ' || (tests.task(md5('link 2000')::uuid)).error_message,
  format(
    'Cascaded failed from related task %1$s: %1$s <- %2$s (Failed: Failed without a reason); '
      'Cascaded failed from related task %1$s: %1$s <- %2$s <- %3$s (Failed: Failed without a reason); '
      'Cascaded failed from related task %1$s: %1$s <- … <- %4$s <- %5$s (Failed: Failed without a reason)',
    md5('link 1')::uuid, md5('link 2')::uuid, md5('link 3')::uuid, md5('link 1999')::uuid, md5('link 2000')::uuid
  ),
  'Each says why, in the words of a short chain'
);
select is(
  (select count(*) from public.tasks where id in (select md5('link ' || n)::uuid from generate_series(1, 2000) as n) and status = 'Failed'),
  2000::bigint, 'A chain of 2,000 ends whole'
);
select is_empty('select * from tests.drift()', 'The counters are what a recount says');
select is_empty('select * from fairlane_core.drift()', 'And fairlane_core.drift() agrees');

select * from finish();
rollback;
