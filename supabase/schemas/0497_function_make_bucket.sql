-- The bucket of results. One that is there keeps its own settings: its owner has chosen them.
create function queue.make_bucket()
returns void
language plpgsql
volatile
security invoker
set search_path = ''
as $$
begin
  if to_regclass('storage.buckets') is null then
    return;
  end if;

  insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types)
  values (
    'image_uploads', 'image_uploads', true, 524288000,
    array[
      'image/png', 'image/jpeg', 'image/jpg', 'image/webp', 'image/gif', 'image/avif', 'image/bmp', 'image/tiff',
      'video/mp4', 'video/webm', 'video/quicktime', 'video/x-msvideo', 'video/vnd.avi', 'video/x-matroska', 'video/matroska',
      'video/x-m4v', 'video/mpeg',
      'application/octet-stream'
    ]
  )
  on conflict (id) do nothing;
end;
$$;

comment on function queue.make_bucket() is 'Makes the bucket image_uploads if there is none of that name.';

revoke all on function queue.make_bucket() from public, anon, authenticated, service_role;
