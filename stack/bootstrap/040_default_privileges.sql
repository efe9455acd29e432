-- Which rights a new object in public gets without being granted any.
-- Setting stack.expose_new_tables: true = everything is reachable by the API (old
-- projects); false = only what is granted is (new projects; config.toml
-- auto_expose_new_tables = false). Migrations must be right under both.

alter default privileges for role supabase_admin in schema public
  grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public
  grant all on routines to postgres, anon, authenticated, service_role;
alter default privileges for role supabase_admin in schema public
  grant all on sequences to postgres, anon, authenticated, service_role;

alter default privileges for role postgres in schema public
  grant all on tables to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  grant all on routines to postgres, anon, authenticated, service_role;
alter default privileges for role postgres in schema public
  grant all on sequences to postgres, anon, authenticated, service_role;

do $$
begin
  if not current_setting('stack.expose_new_tables')::boolean then
    -- The platform revokes these and no more: truncate, references and trigger stay.
    alter default privileges for role postgres in schema public
      revoke select, insert, update, delete on tables
      from anon, authenticated, service_role;
    alter default privileges for role postgres in schema public
      revoke execute on routines from anon, authenticated, service_role;
    alter default privileges for role postgres in schema public
      revoke usage, select on sequences from anon, authenticated, service_role;
  end if;
end
$$;
