-- What: the bucket of results, image_uploads.
-- Why: functions and deployed clients keep files there and hand out their public URLs.
-- Back out: delete from storage.buckets where id = 'image_uploads'; Storage refuses while files are in it.

set lock_timeout = '5s';

-- A bucket that is there keeps its own settings: its owner has chosen them.
do $$
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

  if not (select b.public from storage.buckets as b where b.id = 'image_uploads') then
    raise warning 'The bucket image_uploads is private: the URLs of results will not open. Make it public.';
  end if;
end;
$$;
