// One way to talk to the admin API: JSON in, JSON out, and every failure an ApiError that a page
// can show as it is.

/** Where in what was sent a mistake is, if the answer says so. */
export interface ErrorPlace {
  file?: string;
  input?: string;
  line?: number;
  column?: number;
  length?: number;
}

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly place: ErrorPlace = {},
  ) {
    super(message);
  }
}

const kUnreachable = "Penstock does not answer. Is it still running?";

async function error_of(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => "");
  try {
    const body = JSON.parse(text) as { error?: { code?: string; message?: string } & ErrorPlace };
    if (body.error?.message) {
      const { code, message, ...place } = body.error;
      return new ApiError(response.status, code ?? "", message, place);
    }
  } catch {
    // Not one of our error bodies: a proxy's page, perhaps. Its text says more than nothing.
  }
  return new ApiError(response.status, "", text.slice(0, 300) || `HTTP ${response.status}`);
}

interface Options {
  method?: string;
  body?: unknown;
  signal?: AbortSignal;
}

/** The answer as it comes, for what is read while it arrives; a refusal is thrown. */
export async function api_stream(path: string, options: Options = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`/api${path}`, {
      method: options.method ?? (options.body === undefined ? "GET" : "POST"),
      headers: {
        "X-Penstock-Request": "1",
        ...(options.body === undefined ? {} : { "Content-Type": "application/json" }),
      },
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      signal: options.signal,
      credentials: "same-origin",
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(0, "unreachable", kUnreachable);
  }
  if (!response.ok) throw await error_of(response);
  return response;
}

export async function api<T>(path: string, options: Options = {}): Promise<T> {
  const response = await api_stream(path, options);
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}

export function is_status(error: unknown, status: number): boolean {
  return error instanceof ApiError && error.status === status;
}
