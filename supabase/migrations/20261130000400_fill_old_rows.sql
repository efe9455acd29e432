-- What: owner, status and whatever must not be null, on every old row that lacks them.
-- Why: in pieces that are committed one by one, so that nobody waits for a row longer than a piece takes. An
-- interrupted run scans the table again and finds less to do.
-- Back out: nothing to do; only what was null is written.

set lock_timeout = '900ms';
-- A million rows take longer than a platform allows for a statement.
set statement_timeout = 0;

do $$
declare
  v_pages_at_once constant bigint := 250;
  v_page bigint := 0;
  v_end bigint := pg_relation_size('public.tasks') / current_setting('block_size')::bigint;
  v_has_twin boolean := exists (
    select
    from pg_attribute as a
    where a.attrelid = 'public.tasks'::regclass
      and a.attname = 'status_as_text'
      and not a.attisdropped
  );
  v_incomplete constant text := $q$
    t.params is null or t.attempts is null or t.created_at is null or t.generation_created is null or t.status is null
      or (t.user_id is null and t.project_id is not null)
      or (t.status = 'Failed' and t.error_message is null and (t.output_location <> '' or t.error_details <> ''))
  $q$;
begin
  -- By page and not by id: pages are read and written once. Rows that others change meanwhile may move behind the end;
  -- then the trigger has completed them.
  while v_page < v_end loop
    execute format(
      'update public.tasks as t set params = t.params where t.ctid >= $1 and t.ctid < $2 and (%s %s)',
      v_incomplete,
      case when v_has_twin then 'or t.status_as_text is null' end
    )
    using format('(%s,0)', v_page)::tid, format('(%s,0)', v_page + v_pages_at_once)::tid;
    commit;
    v_page := v_page + v_pages_at_once;
  end loop;

  -- Added now and validated by reading, so that the columns can be declared later without holding the table. Not
  -- earlier: each row above would have been looked up among the users.
  perform fairlane_core.lock_tables('public.tasks', 'public.users');
  alter table public.tasks
    drop constraint if exists tasks_are_complete,
    drop constraint if exists tasks_belong_to_a_user,
    add constraint tasks_belong_to_a_user
      foreign key (user_id) references public.users (id) on delete cascade not valid;
  execute format(
    'alter table public.tasks add constraint tasks_are_complete check (
      params is not null and attempts is not null and created_at is not null and generation_created is not null
      and status is not null %s) not valid',
    case when v_has_twin then 'and status_as_text is not null' end
  );
end;
$$;
