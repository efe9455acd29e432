-- Under a name that several share, a beat speaks for what it names alone: else one machine would shield what another lost,
-- from the queue and from the orchestrators' resets, for as long as it beats.
--
-- A worker that beats runs what it holds: its tasks move, so that no clean-up takes them for dead. Those that it named
-- itself have arrived there. A task that somebody is just changing is left: it moves anyway. No index knows these
-- columns, so that the rows change in place.
--
-- Deployed workers log under params.task_id where a task has one, and in runs without --debug under a name that they make
-- up. Such a name can only mean the one task that takes the worker's slot; but the last lines of the task before may
-- arrive for a while after the next claim, whose reply may be lost.
create function queue.show_signs_of_life(p_worker_id text, p_named uuid[], p_names text[], p_now timestamptz)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
declare
  v_late_lines constant interval := interval '1 minute';
  v_is_shared boolean := p_worker_id = any ((select s.shared_worker_ids from queue.settings as s)::text[]);
  v_made_up boolean := false;
begin
  if p_names <> '{}' then
    v_made_up := exists (select from unnest(p_names) as n (name) where n.name ~ '^unknown_task_\d{1,20}$');
  end if;
  perform set_config('queue.counts_itself', 'on', true); -- nothing follows from these columns
  update public.tasks as t
  set updated_at = p_now,
    delivered_at = case when held.is_named then coalesce(t.delivered_at, p_now) else t.delivered_at end,
    reported_at = case when held.is_named then p_now else t.reported_at end
  from (
    select
      h.id,
      -- One after the other: params may be large, and mostly a worker names the id or nothing.
      case
        when h.id = any (p_named) then true
        when p_names = '{}' then false
        when h.params ->> 'task_id' = any (p_names) then true
        when v_made_up and h.takes_slot and h.claimed_at < p_now - v_late_lines then not exists (
          select
          from public.tasks as other
          where other.worker_id = p_worker_id
            and other.status = 'In Progress'
            and other.token_id is null
            and other.takes_slot
            and other.id <> h.id
        )
      end as is_named
    from public.tasks as h
    where h.worker_id = p_worker_id
      and h.status = 'In Progress'
      and h.token_id is null
    order by h.id
    for no key update skip locked
  ) as held
  where t.id = held.id
    and (not v_is_shared or held.is_named);
  perform set_config('queue.counts_itself', 'off', true);
end;
$$;

comment on function queue.show_signs_of_life(text, uuid[], text[], timestamptz) is
  'Moves updated_at of the tasks this worker runs with the service key (under a shared name only of those that it named), and delivered_at and reported_at of those among them that it named: by their ids (p_named), by params.task_id, or, if one alone takes a slot, by a name that it made up (p_names).';

revoke all on function queue.show_signs_of_life(text, uuid[], text[], timestamptz) from public, anon, authenticated, service_role;
