// Login: by the one-time link that `penstock login` prints (/login#secret=…), or by email and
// password once these were set under Settings.
import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useEffect, useRef, useState, type FormEvent } from "react";
import { Navigate, useLocation, useNavigate } from "react-router";

import { ApiError, api } from "../api/client";
import { useMe } from "../api/queries";
import { query_client } from "../app/client";
import { useTitle } from "../app/title";
import { ErrorNote } from "../components/error_note";
import { FullLoader } from "../components/full_loader";
import { Mark } from "../components/mark";
import styles from "./login.module.css";

const kLinkUsed = new Error(
  "This link was used already, or is older than an hour. `penstock login` prints a new one.",
);

function secret_of(hash: string, search: string): string | null {
  return (
    new URLSearchParams(hash.replace(/^#/, "")).get("secret") ??
    new URLSearchParams(search).get("secret")
  );
}

export function LoginPage() {
  const location = useLocation();
  const navigate = useNavigate();
  useTitle("Log in");
  const me = useMe();
  const [secret] = useState(() => secret_of(location.hash, location.search));
  const [busy, set_busy] = useState(secret !== null);
  const [error, set_error] = useState<Error | null>(null);
  const used = useRef(false);
  const from = (location.state as { from?: string } | null)?.from ?? "/live";

  const enter = async (body: object): Promise<void> => {
    set_busy(true);
    set_error(null);
    try {
      await api("/login", { body });
      query_client.clear();
      navigate(from, { replace: true });
    } catch (e) {
      const wrong = e instanceof ApiError && e.status === 401;
      set_error(wrong && "secret" in body ? kLinkUsed : (e as Error));
      set_busy(false);
    }
  };

  useEffect(() => {
    // The secret works once: it must not be sent twice, nor stay in the browser's history.
    if (secret === null || used.current) return;
    used.current = true;
    window.history.replaceState(window.history.state, "", "/login");
    void enter({ secret });
    // No dependencies: it runs once, by intent.
  }, []);

  if (busy && secret !== null && !error) return <FullLoader />;
  if (me.data && !busy) return <Navigate to={from} replace />;

  const submit = (event: FormEvent<HTMLFormElement>): void => {
    event.preventDefault();
    const data = new FormData(event.currentTarget);
    void enter({ email: data.get("email"), password: data.get("password") });
  };
  return (
    <main className={styles.page}>
      <div className={styles.card}>
        <div className={styles.brand}>
          <Mark size={40} />
          <div>
            <h1>Penstock</h1>
            <p>Every event, accounted for.</p>
          </div>
        </div>
        {error && <ErrorNote error={error} mb="md" />}
        <form onSubmit={submit}>
          <TextInput name="email" type="email" label="Email" autoComplete="username" required withAsterisk={false} />
          <PasswordInput
            name="password"
            label="Password"
            mt="sm"
            autoComplete="current-password"
            required
            withAsterisk={false}
          />
          <Button type="submit" fullWidth mt="lg" loading={busy}>
            Log in
          </Button>
        </form>
        <p className={styles.hint}>
          First time here, or no password yet? Run <code>penstock login</code> on the machine
          Penstock runs on and open the link it prints.
        </p>
      </div>
    </main>
  );
}
