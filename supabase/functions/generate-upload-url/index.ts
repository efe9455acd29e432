import { generateUploadUrl } from "../_fairlane/endpoints/generate-upload-url.ts";
import { serve } from "../_fairlane/serve.ts";

serve(generateUploadUrl);
