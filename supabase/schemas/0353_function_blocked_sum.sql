-- Several reasons as one number, for autoscalers that know fewer (docs/adr/0021).
create function queue.blocked_sum(p_blocked json, p_reasons text[])
returns integer
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return (
    select coalesce(sum((p_blocked ->> r.reason)::integer), 0)
    from unnest(p_reasons) as r (reason)
  );
end;
$$;

comment on function queue.blocked_sum(json, text[]) is
  'How many of the tasks that queue.blocked_by_reason counted wait for one of these reasons.';

revoke all on function queue.blocked_sum(json, text[]) from public, anon, authenticated, service_role;
