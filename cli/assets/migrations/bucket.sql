-- Fairlane: the public bucket image_uploads, for results. One that is there stays as it is.
select fairlane_core.make_bucket();
