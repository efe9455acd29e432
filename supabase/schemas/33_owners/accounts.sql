-- Owners and the accounts of the project (auth.users). Those are not the queue's: no foreign key and no trigger tells it
-- what becomes of them.

-- Whether this user has an account in the project; also true where the project has no table of accounts. One that Auth
-- deleted softly keeps its row.
create function fairlane_core.has_account(p_user_id uuid)
returns boolean
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return to_regclass('auth.users') is null
    or exists (select from auth.users as a where a.id = p_user_id and a.deleted_at is null);
end;
$$;

-- Up to p_limit owners whose account is gone and whose deletion has not begun; none where owners need no account. While
-- there is no account at all, none either: that is a database whose accounts have not been restored.
create function fairlane_core.owners_without_account(p_limit integer)
returns setof uuid
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  if not (select s.owners_are_accounts from fairlane_core.settings as s) or to_regclass('auth.users') is null then
    return;
  elsif not exists (select from auth.users) then
    return;
  end if;

  return query
  select u.id
  from fairlane.owners as u
  where not exists (select from auth.users as a where a.id = u.id and a.deleted_at is null)
    and not fairlane_core.is_being_deleted(u.id)
  order by u.id
  limit p_limit;
end;
$$;

-- Begins to delete up to p_limit owners whose account is gone, with all that is theirs, and returns how many: there is
-- no foreign key to accounts, which would put triggers on a table that is not the queue's. What somebody holds is left
-- for the next run; the rest follows piece by piece (fairlane_core.settle_deletion).
create function fairlane_core.delete_owners_without_account(p_limit integer)
returns integer
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_owner fairlane.owners;
  v_count integer := 0;
begin
  perform fairlane_core.set_event_context('fairlane_core.purge', 'the account was deleted');
  for v_owner in
    select u.*
    from fairlane.owners as u
    where u.id = any (array(
        select s.user_id
        from fairlane_core.user_slots as s
        where s.user_id in (select o.id from fairlane_core.owners_without_account(p_limit) as o (id))
        order by s.user_id
        for no key update skip locked
      ))
    order by u.id
  loop
    perform fairlane_core.defer_deletion(v_owner);
    v_count := v_count + 1;
  end loop;
  perform fairlane_core.set_event_context(null);
  return v_count;
end;
$$;
