// Email and password, so that the next login needs no link.
import { Alert, Button, PasswordInput, TextInput } from "@mantine/core";
import { IconCheck } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import type { FormEvent } from "react";

import { api } from "../../api/client";
import { ErrorNote } from "../../components/error_note";
import { Section } from "./section";

export function Password() {
  const change = useMutation({
    mutationFn: (body: { email: string; password: string }) => api("/me/password", { body }),
  });
  const submit = (e: FormEvent<HTMLFormElement>): void => {
    e.preventDefault();
    const data = new FormData(e.currentTarget);
    change.mutate({ email: String(data.get("email")), password: String(data.get("password")) });
  };
  return (
    <Section title="Login" hint="Set these, and the next login needs no one-time link.">
      <form onSubmit={submit}>
        <TextInput name="email" type="email" label="Email" autoComplete="username" required />
        <PasswordInput
          name="password"
          label="New password"
          mt="sm"
          autoComplete="new-password"
          minLength={8}
          required
        />
        <Button type="submit" mt="md" variant="default" loading={change.isPending}>
          Save login
        </Button>
        {change.isSuccess && (
          <Alert color="teal" mt="md" icon={<IconCheck size={18} />} role="status">
            Saved. The next login works with these.
          </Alert>
        )}
        {change.error && <ErrorNote error={change.error} mt="md" />}
      </form>
    </Section>
  );
}
