select queue.make_bucket();

-- Its owner has chosen that, and may not know what it means here.
do $$
begin
  if to_regclass('storage.buckets') is not null
    and not (select b.public from storage.buckets as b where b.id = 'image_uploads') then
    raise warning 'The bucket image_uploads is private: the URLs of results will not open. Make it public.';
  end if;
end;
$$;
