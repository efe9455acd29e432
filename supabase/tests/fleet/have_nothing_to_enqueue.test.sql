begin;
select plan(3);

-- SETUP
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 50) as owner \gset
create function pg_temp.report(p_task_id uuid, p_text text) returns text language sql as $$
  select tests.answer(format('public.update_task_status(tests.service(), %L, ''In Progress'', %L) ->> ''status''', p_task_id, p_text));
$$;

-- TEST: what deployed workers say, and what older ones said
select tests.create_orchestrator(:'owner', 0) as reported \gset
select is(
  pg_temp.report(:'reported', 'No new segments to generate based on orchestrator payload. Orchestration complete (vacuously).'),
  'Complete', 'The report that there is nothing to generate completes an orchestrator'
);
select tests.create_orchestrator(:'owner', 0) as older \gset
select is(
  pg_temp.report(:'older', format('[WARNING Task ID: %s] No new segments to generate based on orchestrator payload.', :'older')),
  'Complete', 'A mark of the log in front changes nothing'
);

-- TEST: that the children are enqueued
select tests.create_orchestrator(:'owner') as direct \gset
select tests.create_child(:'direct', 'part', 0) as direct_child \gset
update public.tasks set output_location = 'Successfully enqueued 1 part' where id = :'direct';
select tests.finish_task(:'direct_child');
select is(tests.status(:'direct'), 'Complete', 'An orchestrator that is patched to have enqueued its children ends with them');

select * from finish();
rollback;
