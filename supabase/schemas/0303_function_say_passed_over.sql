-- An empty answer is not the whole truth while somebody else's transaction holds owners with work: the header says how
-- many were passed over. PostgREST sends what response.headers holds, and the functions hand it on.
create function queue.say_passed_over(p_count integer)
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

comment on function queue.say_passed_over(integer) is
  'Adds the header x-fairlane-passed-over to the reply: of how many owners work was passed over because another transaction holds it. Nothing for 0.';

revoke all on function queue.say_passed_over(integer) from public, anon, authenticated, service_role;
