begin;
select plan(12);

-- SETUP: texts up to a thousand characters are kept whole
select tests.empty_queue();
select tests.create_user(p_max_in_progress => 100) as owner \gset
update fairlane_core.settings set max_text_length = 1000;
select repeat('é', 1000) as fits, repeat('é', 999) || 'ab' as too_long \gset
create function pg_temp.last_event(p_task_id uuid) returns public.task_events language sql as $$
  select e.* from public.task_events as e where e.task_id = p_task_id order by e.id desc limit 1;
$$;

-- TEST: to the character
select tests.create_task_in('In Progress', :'owner') as short \gset
select public.update_task_status(tests.service(), :'short', 'Failed', :'fits');
select is((tests.task(:'short')).error_message, :'fits', 'A text of the greatest length is kept as it is');
select is((pg_temp.last_event(:'short')).details - 'signs', '{}', 'Nothing more is to be said of it');

select tests.create_task_in('In Progress', :'owner') as long \gset
select public.update_task_status(tests.service(), :'long', 'Failed', :'too_long');
select alike((tests.task(:'long')).error_message, repeat('é', 999) || 'a %1001%', 'A longer text is cut, with a mark that says how long it was');
select is(
  (tests.task(:'long')).output_location, (tests.task(:'long')).error_message, 'The same where deployed clients look'
);
select is(
  (pg_temp.last_event(:'long')).details ->> 'error_message', :'too_long', 'The event keeps the whole text'
);

-- TEST: it is cut once, however often it is looked at
select is((tests.task(:'long')).error_message, repeat('é', 999) || 'a … [cut: 1001 characters in all]', 'One mark, with the length of what was said');
select is(fairlane_core.cut_text((tests.task(:'long')).error_message), (tests.task(:'long')).error_message, 'What is cut is not cut again');

-- TEST: details are not lost either
select tests.create_task_in('In Progress', :'owner') as detailed \gset
select public.update_task_status(tests.service(), :'detailed', 'Failed', p_error_message => 'boom', p_error_details => :'too_long');
select cmp_ok(length((tests.task(:'detailed')).error_details), '<', 1100, 'Long details are cut');
select matches((pg_temp.last_event(:'detailed')).details::text, 'éab', 'The event keeps the whole details');

-- TEST: a report that changes nothing is kept whole, too
select public.update_task_status(tests.service(), :'short', 'Failed', :'too_long');
select is(
  (pg_temp.last_event(:'short')).details ->> 'error_message', :'too_long', 'The event of a report that only was recorded keeps the whole text'
);

-- TEST: progress is cut
select tests.create_task_in('In Progress', :'owner') as running \gset
select public.update_task_status(tests.service(), :'running', 'In Progress', :'too_long');
select cmp_ok(length((tests.task(:'running')).output_location), '<', 1100, 'A long progress text is cut');

-- TEST: an output is a url, not a text: it is never cut
select public.complete_task(tests.service(), :'running', 'https://files/' || :'too_long');
select is((tests.task(:'running')).output_location, 'https://files/' || :'too_long', 'A result''s url is kept whole');

select * from finish();
rollback;
