-- What: what each user may, as the queue keeps it.
-- Why: the triggers that follow count a task at its user's slots, which have to be there by then; in pieces that are
-- committed one by one. A run that was cut goes on where it was.
-- Back out: delete from queue.user_slots.

set lock_timeout = '900ms';
set statement_timeout = 0;

do $$
declare
  v_users_at_once constant integer := 1000;
  v_count integer;
begin
  loop
    -- As queue.slots_of says, which comes with the triggers.
    insert into queue.user_slots (user_id, task_limit, has_credits, cloud_on, local_on, settings_malformed)
    select
      u.id,
      coalesce(u.max_in_progress, d.default_task_limit),
      coalesce(u.credits, 0) > 0,
      u.settings #> '{ui,generationMethods,inCloud}' is distinct from 'false',
      u.settings #> '{ui,generationMethods,onComputer}' is distinct from 'false',
      coalesce(jsonb_typeof(u.settings #> '{ui,generationMethods,inCloud}') <> 'boolean', false)
        or coalesce(jsonb_typeof(u.settings #> '{ui,generationMethods,onComputer}') <> 'boolean', false)
    from public.users as u
      cross join queue.settings as d
    where not exists (select from queue.user_slots as s where s.user_id = u.id)
    limit v_users_at_once
    on conflict do nothing;
    get diagnostics v_count = row_count;
    commit;
    exit when v_count = 0;
  end loop;
end;
$$;
