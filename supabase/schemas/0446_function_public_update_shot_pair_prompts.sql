-- Prompts of a shot, as functions report them.
create function public.update_shot_pair_prompts(p_caller jsonb)
returns json
language plpgsql
stable
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  return queue.update_shot_pair_prompts(p_caller);
exception when lock_not_available then
  perform queue.refuse_while_locked();
  return null;
end;
$$;

comment on function public.update_shot_pair_prompts(jsonb) is
  'Always 501 NOT_SUPPORTED, or 403 for callers who are nobody: the queue owns no shots. service_role only.';

revoke all on function public.update_shot_pair_prompts(jsonb) from public, anon, authenticated, service_role;
grant execute on function public.update_shot_pair_prompts(jsonb) to service_role;
