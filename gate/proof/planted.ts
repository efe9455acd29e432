import type { Planted } from "../equality/planted.ts";

/** What the gate's own comparisons need not see, and this one must. */
export const PLANTED_HERE: readonly Planted[] = [
  {
    what: "a right on a schema",
    object: "schema queue",
    common: "",
    change: "grant usage on schema queue to anon",
  },
  {
    what: "a default for what is made later",
    object: "default privileges of postgres in queue",
    common: "",
    change:
      "alter default privileges in schema queue grant select on tables to anon",
  },
  {
    what: "a comment on a policy",
    object: "comment on policy owners_read_tasks",
    common: "",
    change: "comment on policy owners_read_tasks on public.tasks is 'planted'",
  },
  {
    what: "the fields of a type",
    object: "fields of queue.planted_type",
    common: "create type queue.planted_type as (a integer, b integer)",
    change:
      "drop type queue.planted_type; create type queue.planted_type as (b integer, a integer)",
  },
  {
    what: "a value in a row",
    object: "row of queue.settings",
    common: "",
    change: "update queue.settings set default_task_limit = 6",
  },
  {
    what: "a row that is missing",
    object: "rows of public.task_types",
    common: "",
    change: "delete from public.task_types where name = 'flux'",
  },
  {
    what: "a bucket",
    object: "row of storage.buckets",
    common: "",
    change: "update storage.buckets set public = false",
  },
];
