import { createTask } from "../_fairlane/endpoints/create-task.ts";
import { serve } from "../_fairlane/serve.ts";

serve(createTask);
