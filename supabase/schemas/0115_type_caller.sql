-- Who is calling, once the credential was checked.
create type queue.caller as (
  kind text,
  user_id uuid,
  token_id uuid
);

comment on type queue.caller is
  'Who is calling: kind service (user_id null), token or user (user_id set).';
