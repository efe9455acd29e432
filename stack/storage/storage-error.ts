/** A refusal, as the clients of Storage know to read it. */
export class StorageRefusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = "StorageRefusal";
    this.status = status;
    this.code = code;
  }

  /** Storage sends its refusals as 400, with the real status in the body. */
  get httpStatus(): number {
    return this.status >= 500 ? this.status : 400;
  }

  get body(): Record<string, string> {
    return {
      statusCode: String(this.status),
      code: this.code,
      error: this.code,
      message: this.message,
    };
  }
}

/** There is no such object, or this caller may not see it. */
export function noSuchKey(): StorageRefusal {
  return new StorageRefusal(404, "NoSuchKey", "Object not found");
}

/** The object is there and the caller did not ask to replace it. */
export function alreadyExists(): StorageRefusal {
  return new StorageRefusal(
    409,
    "ResourceAlreadyExists",
    "The resource already exists",
  );
}

/** Row security said no. */
export function accessDenied(): StorageRefusal {
  return new StorageRefusal(
    403,
    "AccessDenied",
    "new row violates row-level security policy",
  );
}
