// What people say of an event or property: shown beside its name, changed where it is open.
import { Button, Checkbox, TagsInput, Textarea } from "@mantine/core";
import { IconRosetteDiscountCheck } from "@tabler/icons-react";
import { useState } from "react";

import { useNote, type DefinitionNote } from "../../api/definitions";
import { ErrorNote } from "../../components/error_note";
import styles from "./definitions.module.css";

/** In the row: a word of it at most. */
export function NoteSummary({ note }: { note: DefinitionNote }) {
  return (
    <>
      {note.verified && <IconRosetteDiscountCheck size={15} className={styles.verified} aria-label="Verified" />}
      {note.description && <span className={`clip ${styles.said}`} title={note.description}>{note.description}</span>}
      {note.tags.map((tag) => <span key={tag} className={styles.tag}>{tag}</span>)}
    </>
  );
}

export function NoteForm({ project, list, of, note }: {
  project: number;
  list: "events" | "properties";
  of: Record<string, string>;
  note: DefinitionNote;
}) {
  const [description, set_description] = useState(note.description);
  const [tags, set_tags] = useState(note.tags);
  const [verified, set_verified] = useState(note.verified);
  const save = useNote(project, list, of);
  const same = description === note.description && verified === note.verified && tags.join("\n") === note.tags.join("\n");
  return (
    <form
      className={styles.note_form}
      aria-label={`About ${of["name"] ?? ""}`}
      onSubmit={(e) => {
        e.preventDefault();
        save.mutate({ description, tags, verified });
      }}
    >
      <Textarea label="Description" autosize minRows={1} maxRows={6} maxLength={4000} value={description} onChange={(e) => set_description(e.currentTarget.value)} />
      <TagsInput label="Tags" maxTags={20} value={tags} onChange={set_tags} />
      <div className={styles.note_end}>
        <Checkbox label="Verified: others can rely on it" checked={verified} onChange={(e) => set_verified(e.currentTarget.checked)} />
        <Button type="submit" size="compact-sm" disabled={same} loading={save.isPending}>Save</Button>
        {save.isSuccess && same && <span role="status">Saved.</span>}
      </div>
      {save.error && <ErrorNote error={save.error} />}
    </form>
  );
}
