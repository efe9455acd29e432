begin;
select plan(3);

-- SETUP: what functions and triggers say of settings
create temporary table said as
  select p.oid::regprocedure::text as where_said, m[1] as verb, m[2] as name, m[3] as rest
  from pg_catalog.pg_proc as p
    cross join lateral regexp_matches(
      p.prosrc, $$(set_config|current_setting)\(\s*'(fairlane_core\.\w+)'((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*)\)$$, 'g'
    ) as m
  where p.pronamespace in ('public'::regnamespace, 'fairlane_core'::regnamespace)
  union all
  select t.tgname, m[1], m[2], ''
  from pg_catalog.pg_trigger as t
    cross join lateral regexp_matches(pg_catalog.pg_get_triggerdef(t.oid), $$(current_setting)\('(fairlane_core\.\w+)'$$, 'g') as m
  where not t.tgisinternal;

-- TEST: all of them stand on one page
select is(
  (select array_agg(distinct s.name) from said as s),
  array['fairlane_core.event', 'fairlane_core.mode', 'fairlane_core.noticed'],
  'Three session variables steer triggers: those of 20_rules/session_variables.sql'
);

-- TEST: a pooled session is somebody else's next
select is_empty(
  $$select s.where_said, s.name from said as s where s.verb = 'set_config' and s.rest !~ ',\s+true\s*$'$$,
  'Each is set for the transaction alone'
);
select cmp_ok((select count(*)::integer from said as s where s.verb = 'set_config'), '>', 20, 'And they were looked at');

select * from finish();
rollback;
