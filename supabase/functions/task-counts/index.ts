import { taskCounts } from "../_fairlane/endpoints/task-counts.ts";
import { serve } from "../_fairlane/serve.ts";

serve(taskCounts);
