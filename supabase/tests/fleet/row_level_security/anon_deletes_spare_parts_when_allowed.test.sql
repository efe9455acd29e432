begin;
select plan(14);

-- SETUP: a family in which one child took the place of another, one is alone, one that
-- did so runs, and one took the place of a failed one
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_orchestrator(:'owner') as orchestrator \gset
select tests.create_child(:'orchestrator', 'part', 0) as former \gset
select tests.create_child(:'orchestrator', 'part', 0) as spare \gset
select tests.create_child(:'orchestrator', 'part', 1) as alone \gset
select tests.create_child(:'orchestrator', 'part', 2) as former_of_running \gset
select tests.create_child(:'orchestrator', 'part', 2) as running \gset
select tests.start(:'running');
select tests.create_child(:'orchestrator', 'part', 3) as failed \gset
update public.tasks set status = 'Failed', error_message = 'boom' where id = :'failed';
select tests.create_child(:'orchestrator', 'part', 3) as in_place_of_failed \gset

-- As PostgREST writes a DELETE that wants its rows back.
create function pg_temp.remove(p_id uuid) returns text language plpgsql as $$
declare
  v_count integer;
begin
  perform tests.authenticate_as('anon');
  with gone as (delete from public.tasks where id = p_id returning tasks.*)
  select count(*) into v_count from gone;
  reset role;
  return v_count;
exception when insufficient_privilege then
  reset role;
  return 'refused';
end;
$$;
create function pg_temp.rights() returns bigint language sql as $$
  select
    (select count(*) from information_schema.column_privileges as c where c.table_name = 'tasks' and c.grantee = 'anon')
    + (select count(*) from pg_catalog.pg_policies as p where p.tablename = 'tasks' and 'anon' = any (p.roles))
    + has_function_privilege('anon', 'fairlane_core.is_spare_part(uuid)', 'execute')::integer;
$$;

-- TEST: closed as it ships, and by the first step of the switch alone
select is(pg_temp.remove(:'spare'), 'refused', 'The anon key deletes nothing by default');
select fairlane_core.allow_anon_reads(true);
select is(pg_temp.remove(:'spare'), 'refused', 'Nor while it only reads');

-- TEST: open, for duplicates that were never started
select fairlane_core.allow_anon_deletes(true);
select is(pg_temp.remove(:'alone'), '0', 'allow_anon_deletes() leaves a child that is the only one of its part');
select is(pg_temp.remove(:'former'), '0', 'and one that another has replaced');
select is(pg_temp.remove(:'running'), '0', 'and one that runs');
select is(pg_temp.remove(:'orchestrator'), '0', 'and an orchestrator');
select is(pg_temp.remove(:'in_place_of_failed'), '0', 'and one in the place of a failed one, which would end the job');
select is(pg_temp.remove(:'spare'), '1', 'It lets a duplicate be deleted, and its row be read');
select is(
  (select status from public.tasks where id = :'former'), 'Queued',
  'Then the child that it had replaced is queued again'
);
select tests.authenticate_as('anon');
select throws_ok($$ update public.tasks set status = 'Failed' $$, '42501', null, 'It changes nothing else');
select throws_ok($$ select fairlane_core.allow_anon_deletes(true) $$, '42501', null, 'The anon key cannot turn the switch');
reset role;

-- TEST: closed is closed, whichever way
select fairlane_core.allow_anon_deletes(false);
select is(
  (select count(*) from pg_catalog.pg_policies where tablename = 'tasks' and 'anon' = any (roles)), 1::bigint,
  'allow_anon_deletes(false) leaves the reads open'
);
select fairlane_core.allow_anon_deletes(true);
select fairlane_core.allow_anon_reads(false);
select is(pg_temp.rights(), 0::bigint, 'allow_anon_reads(false) closes both');
select fairlane_core.allow_anon_deletes(false);
select is(pg_temp.rights(), 0::bigint, 'allow_anon_deletes(false) opens nothing');

select * from finish();
rollback;
