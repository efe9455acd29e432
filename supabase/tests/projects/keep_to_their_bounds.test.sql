begin;
select plan(8);

-- SETUP: one place is left
select tests.create_user() as owner \gset
select tests.create_user() as stranger \gset
select tests.create_project(:'owner') as project from generate_series(1, 999) \g /dev/null
create function pg_temp.make(p_user uuid, p_count integer, p_name text default 'x') returns text language plpgsql as $$
declare
  v_detail text;
begin
  insert into public.projects (user_id, name) select p_user, p_name from generate_series(1, p_count);
  return 'made';
exception when others then
  get stacked diagnostics v_detail = pg_exception_detail;
  return format('%s %s', substr(sqlstate, 3), v_detail);
end;
$$;

-- TEST: 1,000 projects
select tests.authenticate_as(:'owner');
select is(pg_temp.make(:'owner', 2), '409 TOO_MANY_PROJECTS', 'What does not fit is refused as a whole');
select is(pg_temp.make(:'owner', 1), 'made', 'The last one fits');
select is(pg_temp.make(:'owner', 1), '409 TOO_MANY_PROJECTS', 'There is none after it');
select tests.authenticate_as(:'stranger');
select is(pg_temp.make(:'stranger', 1000), 'made', 'Another user has projects of their own');

-- TEST: names
select is(pg_temp.make(:'stranger', 1, repeat('n', 256)), '400 INVALID_ARGUMENT', 'A name has at most 255 characters');
select throws_ok(
  format($$ update public.projects set name = repeat('n', 256) where user_id = %L $$, :'stranger'), 'PT400', null,
  'Also when it is changed'
);

-- TEST: the service key
select tests.authenticate_as('service_role');
select is(pg_temp.make(:'owner', 1), 'made', 'The service key is not bound by the number');
select is(pg_temp.make(:'owner', 1, repeat('n', 256)), '400 INVALID_ARGUMENT', 'But by the length');

select * from finish();
rollback;
