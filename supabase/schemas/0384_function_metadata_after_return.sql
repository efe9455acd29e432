-- What a worker's metadata say when it is there again after an end of its own: what was wrong then is over.
create function queue.metadata_after_return(p_worker public.workers)
returns jsonb
language plpgsql
immutable
security invoker
set search_path = ''
as $$
begin
  return case
    when p_worker.goodbye_at is not null then queue.metadata_without_end(p_worker.metadata)
    when p_worker.reaped_at is null and p_worker.status <> 'crashed' then p_worker.metadata
    else queue.metadata_without_end(p_worker.metadata)
      || jsonb_build_object('last_error_reason', p_worker.metadata -> 'error_reason')
  end;
end;
$$;

comment on function queue.metadata_after_return(public.workers) is
  'The metadata of this worker without what was said of its goodbye, crash or silence; of the latter two the reason stays as last_error_reason.';

revoke all on function queue.metadata_after_return(public.workers) from public, anon, authenticated, service_role;
