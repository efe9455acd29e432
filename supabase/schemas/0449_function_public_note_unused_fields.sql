-- What the functions have counted, as they hand it in.
create function public.note_unused_fields(p_caller jsonb, p_endpoint text, p_counts jsonb)
returns void
language plpgsql
volatile
security invoker
set search_path = ''
set lock_timeout = '200ms' -- queue.refuse_while_locked
as $$
begin
  perform queue.note_unused_fields(p_caller, p_endpoint, p_counts);
exception when lock_not_available then
  perform queue.refuse_while_locked();
end;
$$;

comment on function public.note_unused_fields(jsonb, text, jsonb) is
  'Adds what an instance of the endpoint has counted: p_counts = {field: how often it came and was not used}, at most 50 fields a call and 500 in all. Shown by health as FIELD_NOT_USED. Errors: 403. service_role only.';

revoke all on function public.note_unused_fields(jsonb, text, jsonb) from public, anon, authenticated, service_role;
grant execute on function public.note_unused_fields(jsonb, text, jsonb) to service_role;
