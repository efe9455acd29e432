-- Shots belong to the application, not to the queue. Callers are told so in the queue's own words, after their token
-- was looked up, so that a wrong key is not taken for a missing feature.
create function queue.update_shot_pair_prompts(p_caller jsonb)
returns json
language plpgsql
stable
security definer -- looks up the caller's token
set search_path = ''
as $$
begin
  perform queue.resolve_caller(p_caller, array['service', 'token', 'user']);
  perform queue.refuse(
    501, 'NOT_SUPPORTED', 'This queue keeps no shots, so it cannot store prompts of one',
    'Go on without; the prompts are in the params of the segments'
  );
  return null;
end;
$$;

comment on function queue.update_shot_pair_prompts(jsonb) is 'See public.update_shot_pair_prompts.';

revoke all on function queue.update_shot_pair_prompts(jsonb) from public, anon, authenticated, service_role;
grant execute on function queue.update_shot_pair_prompts(jsonb) to service_role;
