-- What: the image types of the API workers that GPU workers know are marked, and so their live tasks, by the table's trigger.
-- Why: after the functions, which derive the mark; tasks that are queued already reach their owners' machines, too.
-- Back out: update public.task_types set runs_on_own_gpu = false;

set lock_timeout = '900ms';

-- One by one, so that nobody waits for long while live tasks of a type follow it.
do $$
declare
  v_name text;
begin
  foreach v_name in array array[
    'wan_2_2_t2i', 'qwen_image', 'qwen_image_2512', 'qwen_image_edit', 'qwen_image_style', 'z_image_turbo',
    'z_image_turbo_i2i', 'image_inpaint', 'annotated_image_edit'
  ] loop
    update public.task_types as y
    set runs_on_own_gpu = true
    where y.name = v_name
      and y.run_type = 'api'
      and y.category <> 'orchestration'
      and not y.runs_on_own_gpu;
    commit;
  end loop;
end;
$$;
