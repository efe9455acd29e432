begin;
select plan(5);

-- SETUP: the id that every worker without a name sends
select tests.empty_queue();
select tests.create_user() as owner \gset
select tests.create_task(:'owner') from generate_series(1, 4);
select 'token-worker' as nameless \gset

-- TEST: each claim is another process
select is(
  (select count(distinct c.id)::integer from (values (tests.claim(:'nameless')), (tests.claim(:'nameless')), (tests.claim(:'nameless'))) as c (id)),
  3, 'claim_next_task() hands workers with a shared id a task each'
);
select is((select max(attempts) from public.tasks), 1, 'None of them is taken for a crash of another');

-- TEST: which ids are shared is a setting
update fairlane_core.settings set shared_worker_ids = '{}';
select is(
  (tests.task(tests.claim(:'nameless'))).attempts, 1, 'An id that is not shared any more gets back what was held under it'
);
select is((select count(*)::integer from public.tasks where status = 'In Progress'), 3, 'And nothing else');
select is_empty('select * from tests.drift()', 'The counters are what a recount says');

select * from finish();
rollback;
