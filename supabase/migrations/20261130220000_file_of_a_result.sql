-- What: a column for the file that a described result is about.
-- Why: deployed workers send a JSON text beside the file; what waits for the task reads the text, its record shows the file.
-- Back out: alter table public.tasks drop column file_location.

set lock_timeout = '900ms';

alter table public.tasks add column file_location text;

comment on column public.tasks.file_location is
  'The file of a result that output_location describes in JSON; null where output_location is the result itself. Only queue functions write it.';
