import { completeTask } from "../_fairlane/endpoints/complete-task.ts";
import { serve } from "../_fairlane/serve.ts";

serve(completeTask);
