-- When something new was last heard of a running task. A worker that hangs may go on to say the same again and again:
-- that is no more than a beat. Only a start that has run for longer than p_limit is looked at, and only its last thousand
-- lines: normally the second line is another one already.
create function queue.last_news(p_task public.tasks, p_limit interval, p_now timestamptz)
returns timestamptz
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
  v_lines constant integer := 1000;
  v_word timestamptz := queue.last_word(p_task);
  v_id constant text := p_task.id::text;
  v_text text;
  v_other timestamptz;
  v_first timestamptz;
begin
  if coalesce(p_task.claimed_at >= p_now - p_limit, true) or v_word < p_now - p_limit then
    return v_word;
  end if;

  select g.message
  into v_text
  from public.system_logs as g
  where g.task_id = v_id
    and g."timestamp" >= p_now - p_limit
  order by g.task_id desc, g."timestamp" desc
  limit 1;
  if v_text is null then
    return v_word;
  end if;

  select l.at
  into v_other
  from (
    select g."timestamp" as at, g.message
    from public.system_logs as g
    where g.task_id = v_id
      and g."timestamp" >= p_task.claimed_at
    order by g.task_id desc, g."timestamp" desc
    limit v_lines
  ) as l
  where l.message <> v_text
  limit 1;
  if v_other >= p_now - p_limit then
    return v_word;
  end if;

  -- It was news when it was said first.
  select min(l.at)
  into v_first
  from (
    select g."timestamp" as at
    from public.system_logs as g
    where g.task_id = v_id
      and g."timestamp" >= p_task.claimed_at
    order by g.task_id desc, g."timestamp" desc
    limit v_lines
  ) as l
  where l.at > coalesce(v_other, '-infinity');
  return case when v_first < p_now - p_limit then v_first else v_word end;
end;
$$;

comment on function queue.last_news(public.tasks, interval, timestamptz) is
  'When a call or a log last said something new about this task: queue.last_word, or, when its lines have said the same for longer than p_limit, since when they do.';

revoke all on function queue.last_news(public.tasks, interval, timestamptz) from public, anon, authenticated, service_role;
