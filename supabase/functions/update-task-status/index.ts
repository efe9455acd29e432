import { updateTaskStatus } from "../_fairlane/endpoints/update-task-status.ts";
import { serve } from "../_fairlane/serve.ts";

serve(updateTaskStatus);
