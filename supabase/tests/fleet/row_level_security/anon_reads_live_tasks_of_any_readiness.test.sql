begin;
select plan(2);

-- SETUP: a queued task that is older than what ends is shown, for each word that the one rule can say
select tests.empty_queue();
select fairlane_core.allow_anon_reads(true);
create temporary table reasons as
select distinct w.word[1] as readiness
from pg_catalog.pg_proc as p
  cross join regexp_matches(p.prosrc, '''([a-z_]+)''', 'g') as w (word)
where p.oid in ('fairlane_core.task_readiness(public.tasks)'::regprocedure, 'fairlane_core.dependency_state(uuid,uuid,uuid)'::regprocedure);
alter table public.tasks disable trigger user;
insert into public.tasks (task_type, status, readiness, created_at, updated_at)
select s.readiness, case when s.readiness = 'active' then 'In Progress' else 'Queued' end, s.readiness, now() - interval '30 days', null
from reasons as s;
alter table public.tasks enable trigger user;

-- TEST
select cmp_ok((select count(*) from reasons), '>=', 9::bigint, 'The rule''s words were found in it');
select tests.authenticate_as('anon');
create temporary table seen as select t.task_type from public.tasks as t;
reset role;
select is_empty(
  'select s.readiness from reasons as s except select n.task_type from seen as n',
  'A live task is readable with the anon key in any readiness and at any age'
);

select * from finish();
rollback;
