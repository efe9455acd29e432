-- What a claim does while somebody else holds every owner with work: it waits briefly for one, and says how many it
-- passed over (docs/adr/0019-a-claim-does-not-wait-for-an-open-transaction.md).

-- The second look of a claim, while somebody else is serving every user with work: the user whose turn it is in the
-- pool, whoever holds the lock; null when nobody has work.
create function fairlane_core.first_open_user(p_pool text, p_passed_over uuid[])
returns uuid
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  -- A sort would read all user queues; the first of the index is enough, as in the look before.
  return (
    select l.user_id
    from fairlane_core.user_queues as l
    where l.pool = p_pool
      and l.is_open
      and l.user_id <> all (p_passed_over)
    order by l.turn_load, l.last_served_at
    limit 1
  );
end;
$$;

-- Locks an owner's slots; false when there are none. It does not wait for a transaction that is left open, which would
-- mean waiting for that client: after half of fairlane_core.settings.max_lock_wait it fails with 55P03, and the claim
-- may call it again (fairlane_core.may_wait_again). The subtransaction to undo is the caller's look, and must be no
-- other: whoever waits for a row that was locked in a subtransaction inside the look would go on waiting after the look
-- has given the row up, until this whole claim ends, and both may want each other's owner.
create function fairlane_core.wait_for_owner(p_user_id uuid)
returns boolean
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '120ms' -- restored when the function ends; the effective value is set below
as $$
begin
  -- To get a row one may wait twice: behind other waiters, then for the holder.
  perform fairlane_core.limit_lock_waits(0.5);
  perform from fairlane_core.user_slots as s where s.user_id = p_user_id for no key update;
  return found;
end;
$$;

-- Who holds an owner's slots, or held them last: a text that changes with each transaction that does.
create function fairlane_core.holder_of_slots(p_user_id uuid)
returns text
language plpgsql
volatile -- sees what was committed while the claim waited
security invoker
set search_path = ''
as $$
begin
  return (select s.xmin::text || ' ' || s.xmax::text from fairlane_core.user_slots as s where s.user_id = p_user_id);
end;
$$;

-- Whether a claim should wait again for an owner whose slots it did not get: not for a holder who does not let go, but
-- while the holders change, as with successive claims. p_holder: who held them before the wait
-- (fairlane_core.holder_of_slots); p_since: when the first of these waits began.
create function fairlane_core.may_wait_again(p_user_id uuid, p_holder text, p_since timestamptz)
returns boolean
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_max_wait interval := (select s.max_lock_wait from fairlane_core.settings as s);
begin
  return case
    -- Half of the time is left if there were no other waiters.
    when fairlane_core.holder_of_slots(p_user_id) is not distinct from p_holder then clock_timestamp() <= p_since + 0.6 * v_max_wait
    -- Somebody else got it. Again, so that nobody always comes last, but not for ever.
    else clock_timestamp() <= p_since + 20 * v_max_wait
  end;
end;
$$;

-- How many owners have something for a claim that found nothing but could not be checked, because another transaction
-- holds them: open queues, and due work. p_passed_over: those in whose queues it found nothing.
create function fairlane_core.owners_held(p_pool text, p_passed_over uuid[])
returns integer
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
  return (
    select count(*)
    from (
      select l.user_id
      from fairlane_core.user_queues as l
      where l.pool = p_pool
        and l.is_open
        and l.user_id <> all (p_passed_over)
      union
      select t.user_id
      from fairlane.tasks as t
        join fairlane_core.user_slots as s on s.user_id = t.user_id
      where t.readiness = 'not_yet'
        and t.available_at <= fairlane_core.now()
        and t.pool = p_pool
        and t.run_type = 'cloud'
        and s.cloud_reason is null
    ) as o
  );
end;
$$;

-- An empty reply is incomplete while another transaction holds owners with work: the header x-fairlane-passed-over says
-- how many were passed over; no header for 0. PostgREST sends the contents of response.headers, and the functions pass
-- them on.
create function fairlane_core.say_passed_over(p_count integer)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  if p_count > 0 then
    perform set_config(
      'response.headers',
      (
        coalesce(nullif(current_setting('response.headers', true), '')::jsonb, '[]')
          || jsonb_build_array(jsonb_build_object('x-fairlane-passed-over', p_count::text))
      )::text,
      true
    );
  end if;
end;
$$;
