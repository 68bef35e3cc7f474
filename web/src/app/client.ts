// The query client: what failed because the session ended sends the page back to the login.
import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";

import { ApiError, is_status } from "../api/client";

function forget_session(error: Error): void {
  if (is_status(error, 401)) query_client.setQueryData(["me"], null);
}

export const query_client: QueryClient = new QueryClient({
  queryCache: new QueryCache({ onError: forget_session }),
  mutationCache: new MutationCache({ onError: forget_session }),
  defaultOptions: {
    queries: {
      // A request that was understood and refused gets the same answer again.
      retry: (failures, error) =>
        failures < 2 && !(error instanceof ApiError && error.status >= 400 && error.status < 500),
      refetchOnWindowFocus: true,
    },
  },
});
