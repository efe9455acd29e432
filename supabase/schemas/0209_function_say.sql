-- What the history should say about the changes that follow in this transaction.
create function queue.say(p_actor text, p_reason text default null, p_details jsonb default null)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  perform
    set_config('queue.actor', coalesce(p_actor, ''), true),
    set_config('queue.reason', coalesce(p_reason, ''), true),
    set_config('queue.details', coalesce(p_details::text, ''), true);
end;
$$;

comment on function queue.say(text, text, jsonb) is
  'Sets actor, reason and details of the task events that follow in this transaction; null clears each.';

revoke all on function queue.say(text, text, jsonb) from public, anon, authenticated, service_role;
