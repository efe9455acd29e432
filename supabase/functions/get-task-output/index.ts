import { ONE_CALL } from "../_fairlane/endpoints/one-call.ts";
import { serve } from "../_fairlane/serve.ts";

serve(ONE_CALL["get-task-output"]);
