-- Lists of projects are read all day, so their number and their names have bounds. The number binds users only; an app
-- that makes projects with the service key knows what it does.
create function queue.projects_before_write()
returns trigger
language plpgsql
security definer -- whoever may write may hear the refusal
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
begin
  perform queue.refuse(400, 'INVALID_ARGUMENT', 'The name of a project must have at most 255 characters');
  return null;
end;
$$;

comment on function queue.projects_before_write() is 'Trigger: refuses a name of a project that is too long with 400 INVALID_ARGUMENT.';

revoke all on function queue.projects_before_write() from public, anon, authenticated, service_role;

create trigger projects_before_write
  before insert or update of name on public.projects
  for each row
  when (length(new.name) > 255)
  execute function queue.projects_before_write();

create function queue.projects_keep_to_the_bound()
returns trigger
language plpgsql
security definer -- counts what row security may hide, on behalf of any caller who may insert
set search_path = ''
set enable_seqscan = off -- a plan made while the queue was empty must be right when it is full
as $$
declare
  v_most constant integer := 1000;
  v_user_id uuid;
begin
  if not queue.acts_for_a_user() then
    return null;
  end if;

  for v_user_id in select distinct n.user_id from new_rows as n order by n.user_id loop
    -- Two requests at once: the second counts what the first has added.
    perform pg_advisory_xact_lock(hashtextextended('queue.projects:' || v_user_id, 0));
    -- A deletion that is under way is waited for, and one that comes later takes the project along.
    perform from public.users as u where u.id = v_user_id for key share;
    if queue.is_being_deleted(v_user_id) then
      perform queue.refuse(403, 'FORBIDDEN', 'This user is being deleted');
    end if;
    if (
      select count(*)
      from (select from public.projects as p where p.user_id = v_user_id limit v_most + 1) as k
    ) > v_most then
      perform queue.refuse(
        409, 'TOO_MANY_PROJECTS', pg_catalog.format('A user has at most %s projects, and with this there would be more', v_most),
        'Delete some first'
      );
    end if;
  end loop;
  return null;
end;
$$;

comment on function queue.projects_keep_to_the_bound() is
  'Trigger: refuses projects that a user makes beyond 1,000 with 409 TOO_MANY_PROJECTS, and those of one who is being deleted with 403 FORBIDDEN.';

revoke all on function queue.projects_keep_to_the_bound() from public, anon, authenticated, service_role;

create trigger projects_after_insert_keep_to_the_bound
  after insert on public.projects
  referencing new table as new_rows
  for each statement execute function queue.projects_keep_to_the_bound();
