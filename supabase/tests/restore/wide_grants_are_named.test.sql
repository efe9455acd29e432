begin;
select plan(6);

-- SETUP: what has been granted, column by column, and all that could be granted too much
create temporary view granted as
select c.oid::regclass::text as object, a.grantee, a.privilege_type
from pg_class as c
  cross join lateral aclexplode(c.relacl) as a
where c.relnamespace in ('public'::regnamespace, 'fairlane_core'::regnamespace)
  and a.grantee <> c.relowner
union all
select t.attrelid::regclass::text || '.' || t.attname, a.grantee, a.privilege_type
from pg_attribute as t
  join pg_class as c on c.oid = t.attrelid
  cross join lateral aclexplode(t.attacl) as a
where c.relnamespace in ('public'::regnamespace, 'fairlane_core'::regnamespace)
union all
select p.oid::regprocedure::text, a.grantee, a.privilege_type
from pg_proc as p
  cross join lateral aclexplode(p.proacl) as a
where p.pronamespace in ('public'::regnamespace, 'fairlane_core'::regnamespace);
create temporary table shipped as select * from granted;

-- TEST: as shipped
select is_empty('select * from fairlane_core.wide_grants()', 'As migrations grant it, nothing is too wide');

-- TEST: what a dump gets that meets the default privileges of an older project
create function public.of_the_app() returns integer language sql as 'select 1';
create table public.of_the_app (id integer);
grant all on all tables in schema public to anon, authenticated, service_role;
grant all on all sequences in schema public to anon, authenticated, service_role;
grant execute on all functions in schema public to anon, authenticated, service_role;
grant all on all tables in schema fairlane_core to anon, authenticated;
grant all on all sequences in schema fairlane_core to anon, authenticated;
grant execute on all functions in schema fairlane_core to public, anon, authenticated;
grant insert on table fairlane_core.settings to service_role;
select isnt_empty(
  $$ select * from fairlane_core.wide_grants() where statement like 'revoke % on table public.user_api_tokens from anon;' $$,
  'Every grant that is too wide is named'
);
select is_empty($$ select * from fairlane_core.wide_grants() where statement like '%of_the_app%' $$, 'What is the app''s is left to the app');
set local client_min_messages = error;
select isnt_empty(
  $$ select from json_array_elements(fairlane_core.rebuild() -> 'wide_grants') $$,
  'rebuild() answers them'
);
do $$
declare
  v_statement text;
begin
  for v_statement in select w.statement from fairlane_core.wide_grants() as w loop
    execute v_statement;
  end loop;
end;
$$;
select is_empty('select * from fairlane_core.wide_grants()', 'The statements revoke them');
select set_eq(
  $$ select object, grantee, privilege_type from granted where object not like '%of_the_app%' $$,
  'select object, grantee, privilege_type from shipped',
  'All of them, and nothing else: columns keep what was granted on them'
);

select * from finish();
rollback;
