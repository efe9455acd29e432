begin;
select plan(31);

-- SETUP: owners are accounts, as guests have them; nobody of other tests has one
select tests.empty_queue();
update fairlane_core.settings set registers_owners = true, requires_credits = false, owners_are_accounts = true;
select gen_random_uuid() as member \gset
select gen_random_uuid() as second \gset
select gen_random_uuid() as stranger \gset
create function pg_temp.create_task(p_caller jsonb, p_fields jsonb default '{}') returns text language sql as $$
  select tests.answer(format('public.create_task(%L, %L)', p_caller, '{"task_type": "some_task"}'::jsonb || p_fields))
$$;
create function pg_temp.owned_by(p_user_id uuid) returns bigint language sql as $$
  select count(*) from public.users as u where u.id = p_user_id
$$;
create function pg_temp.purge(p_dry_run boolean default false) returns text language sql as $$
  select fairlane_core.purge(5000, p_dry_run) ->> 'owners'
$$;

-- TEST: while nobody has an account at all, nobody's is gone: they have not been restored yet
select tests.create_user() as restored \gset
select is(pg_temp.purge(true), '0', 'Nobody is counted');
select is(pg_temp.purge(), '0', 'Nobody is deleted');
select is(pg_temp.owned_by(:'restored'), 1::bigint, 'The owner is there');
delete from public.users;

-- TEST: whoever has an account is known at first sight, nobody else
insert into auth.users (id) values (:'member'), (:'second');
select is(
  pg_temp.create_task(tests.service(), jsonb_build_object('user_id', :'stranger')), '400 OWNER_UNKNOWN', 'The service names nobody without account'
);
select is(pg_temp.create_task(tests.signed_in(:'stranger')), '400 OWNER_UNKNOWN', 'A session of a deleted account enqueues nothing');
select is(pg_temp.create_task(tests.service()), '400 OWNER_UNKNOWN', 'Nor does the service without naming anybody');
select throws_ok(
  format('select fairlane_core.set_owner(%L, 1)', :'stranger'), 'PT400', null, 'Nor has somebody without account a limit'
);
select throws_ok(
  format('insert into public.tasks (task_type, user_id) values (''some_task'', %L)', :'stranger'), 'PT400', null, 'Nor over the Data API'
);
select throws_ok(
  'insert into public.tasks (task_type) values (''some_task'')', 'PT400', null, 'Nor without naming anybody'
);
select tests.authenticate_as(:'stranger'::uuid);
select throws_ok(
  'insert into public.tasks (task_type) values (''some_task'')', 'PT400', null, 'Nor with the session of a deleted account'
);
select throws_ok('select public.create_api_token(''mine'')', 'PT400', null, 'Which gets no token either');
select throws_ok(
  format('insert into public.projects (user_id, name) values (%L, ''p'')', :'stranger'), 'PT400', null, 'And no project'
);
select tests.clear_authentication();
select is(pg_temp.owned_by(:'stranger'), 0::bigint, 'The stranger has no row');
select isnt(pg_temp.create_task(tests.signed_in(:'member')), '400 OWNER_UNKNOWN', 'A member enqueues at once');
select is(pg_temp.owned_by(:'member'), 1::bigint, 'And has a row');

-- TEST: a softly deleted account is gone, though its row is there
update auth.users set deleted_at = now() where id = :'second';
select is(pg_temp.create_task(tests.signed_in(:'second')), '400 OWNER_UNKNOWN', 'Nobody is registered for it');
update auth.users set deleted_at = null where id = :'second';

-- TEST: what a table of the app says of its users
select lives_ok(format('select fairlane_core.set_owner(%L, 2, p_credits => 7)', :'second'), 'It may be the first sight of an owner');
select is(
  (select (u.max_in_progress, u.max_orchestrating, u.credits)::text from public.users as u where u.id = :'second'), '(2,,7)', 'Limits and credits are as said'
);
select is((select s.task_limit from fairlane_core.user_slots as s where s.user_id = :'second'), 2, 'Claims obey it');
select u.xmin::text as written from public.users as u where u.id = :'second' \gset
savepoint unchanged;
select fairlane_core.set_owner(:'second', 2);
select is((select u.xmin::text from public.users as u where u.id = :'second'), :'written', 'What is the same is not written');
select fairlane_core.set_owner(:'second', p_credits => 0);
select is(
  (select (u.max_in_progress, u.max_orchestrating, u.credits)::text from public.users as u where u.id = :'second'), '(,,0)', 'A limit that is not said is the default again'
);

-- TEST: the account is gone, and the owner with it
select pg_temp.create_task(tests.signed_in(:'second'));
select tests.with_token(:'second') as token \gset
select is(pg_temp.purge(), '0', 'Whoever has an account stays');
delete from auth.users where id = :'second';
select is(pg_temp.purge(true), '1', 'A dry run counts one');
select is(pg_temp.owned_by(:'second'), 1::bigint, 'And deletes nobody');
update auth.users set deleted_at = now() where id = :'member';
insert into auth.users (id) values (gen_random_uuid());
select is(fairlane_core.run_job('purge') ->> 'owners', '2', 'The job takes both, also the one deleted softly');
select is(tests.token_id(:'token'), null, 'Their tokens are worth nothing at once');
select is(tests.claim('worker'), null, 'Nothing of theirs starts');
select is(pg_temp.purge(), '0', 'A second run has nothing to add');
select fairlane_core.settle_deferred(1000);
select is_empty('select from public.users', 'Then nothing of them is left');
select is_empty('select from public.tasks', 'No task either');

-- TEST: owners of another kind
update fairlane_core.settings set owners_are_accounts = false;
select pg_temp.create_task(tests.service(), jsonb_build_object('user_id', :'stranger'));
select is(pg_temp.purge() || pg_temp.owned_by(:'stranger'), '01', 'Any uuid is an owner where owners are no accounts');

select * from finish();
rollback;
