begin;
select plan(1);

-- TEST: those of the pool api that GPU workers know ship so
select is(
  (
    select array_agg(y.name order by y.name collate "C")
    from public.task_types as y
    where y.runs_on_own_gpu
      and y.name <> all (tests.types())
  ),
  '{annotated_image_edit,image_inpaint,qwen_image,qwen_image_2512,qwen_image_edit,qwen_image_style,wan_2_2_t2i,z_image_turbo,z_image_turbo_i2i}',
  'The image types of GPU workers run on their owners'' machines'
);

select * from finish();
rollback;
