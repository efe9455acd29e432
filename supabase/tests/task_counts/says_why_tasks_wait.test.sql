begin;
select plan(12);

-- SETUP: one task or two for each reason
select tests.empty_queue();
create temporary table expected (reason text, task_count integer);

select tests.create_user() as owner \gset
select tests.create_task(:'owner') as no_owner \gset
update public.tasks set user_id = null, project_id = null where id = :'no_owner';
insert into expected values ('no_owner', 1);

select tests.create_task(:'owner') as no_run_type \gset
update public.tasks set run_type = null where id = :'no_run_type';
insert into expected values ('no_run_type', 1);

insert into public.task_types (name, is_active) values ('retired', false);
select tests.create_task(:'owner', 'retired') from generate_series(1, 2);
insert into expected values ('type_inactive', 2);

select tests.create_task(:'owner') as not_yet \gset
update public.tasks set available_at = fairlane_core.now() + interval '1 day' where id = :'not_yet';
insert into expected values ('not_yet', 1);

select tests.create_task(:'owner', p_dependant_on => :'not_yet') from generate_series(1, 2);
insert into expected values ('dependency_pending', 2);

select tests.create_task(:'owner', p_dependant_on => gen_random_uuid());
insert into expected values ('dependency_lost', 1);

select tests.create_user(p_credits => 0) as broke \gset
select tests.create_task(:'broke') from generate_series(1, 3);
insert into expected values ('no_credits', 3);

select tests.create_user(p_settings => tests.switched('cloud', 'false')) as offline \gset
select tests.create_task(:'offline') from generate_series(1, 4);
insert into expected values ('cloud_disabled', 4);

select tests.create_user(p_max_in_progress => 1) as busy \gset
select tests.create_task(:'busy') from generate_series(1, 4);
insert into expected values ('user_at_limit', 3);

select tests.create_user() as patient \gset
select tests.create_task(:'patient', p_age => '8 days') from generate_series(1, 2);
insert into expected values ('stale', 2);

-- Local work waits for its owner's machine and is no concern of the fleet.
select tests.create_task(:'owner', p_dependant_on => :'not_yet') as local_task \gset
update public.tasks set run_type = 'local' where id = :'local_task';

-- TEST: each under its reason
create function pg_temp.blocked(p_counts jsonb) returns table (reason text, task_count integer) language sql as $$
  select b.key, b.value::integer from jsonb_each_text(p_counts -> 'blocked') as b;
$$;
select set_eq(
  'select * from pg_temp.blocked(tests.counts())', 'select * from expected',
  'task_counts() names the reason of every waiting task'
);

-- TEST: the same in the sums that autoscalers of the fleet read
select is(tests.counts() #> '{totals,blocked_by_capacity}', '3', 'What waits for its owner''s running tasks');
select is(tests.counts() #> '{totals,blocked_by_deps}', '3', 'What waits for other tasks, lost ones too');
select is(tests.counts() #> '{totals,blocked_by_settings}', '9', 'What waits for a decision: no credits, cloud off, a type that is off');
select is(
  (tests.counts() #>> '{totals,potentially_claimable}')::integer, tests.claimable() + 3,
  'What is claimable, or will be without anybody''s doing'
);

-- TEST: every queued cloud task is claimable or under exactly one reason
create function pg_temp.explained(p_run_type text) returns integer language sql as $$
  select tests.claimable(p_run_type)
    + (select coalesce(sum(b.task_count), 0)::integer from pg_temp.blocked(tests.counts(p_run_type)) as b);
$$;
create function pg_temp.queued() returns integer language sql as $$
  select count(*)::integer from public.tasks where status = 'Queued' and run_type is distinct from 'local';
$$;
select is(pg_temp.explained('gpu'), pg_temp.queued(), 'Claimable and blocked together are all that is queued');
select tests.claim_many(3);
select is(pg_temp.explained('gpu'), pg_temp.queued(), 'Also while some run');
select tests.create_task(:'owner', 'edit_image', p_age => '9 days') from generate_series(1, 2);
select tests.create_task(:'busy', 'edit_image') from generate_series(1, 2);
select is(pg_temp.explained(null), pg_temp.queued(), 'Also over both pools');
select is(
  pg_temp.explained('gpu') + pg_temp.explained('api'), pg_temp.queued(), 'Each pool explains its own'
);

-- TEST: several reasons at once: the first of the order applies
select tests.empty_queue();
select tests.create_user(p_credits => 0, p_settings => tests.switched('cloud', 'false'), p_max_in_progress => 0) as none \gset
select tests.create_task(:'none');
select tests.create_task(:'none', p_age => '30 days');
select is(tests.counts() -> 'blocked', '{"no_credits": 2}', 'no_credits comes before cloud_disabled, user_at_limit and stale');
update public.users set credits = 1 where id = :'none';
select is(tests.counts() -> 'blocked', '{"cloud_disabled": 2}', 'cloud_disabled comes before user_at_limit and stale');
update public.users set settings = null where id = :'none';
select is(tests.counts() -> 'blocked', '{"user_at_limit": 2}', 'user_at_limit comes before stale');

select * from finish();
rollback;
