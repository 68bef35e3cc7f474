// Quarantine: what could not be processed. Search, look, repair, try, drive again, discard.
import { Button, NumberInput, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconCircleCheck, IconSearch } from "@tabler/icons-react";
import { useState } from "react";
import { useSearchParams } from "react-router";

import { useQuarantineCommand, useQuarantined, type Quarantined, type Select } from "../../api/integrity";
import { useProject } from "../../app/project";
import { ErrorNote } from "../../components/error_note";
import { FullLoader } from "../../components/full_loader";
import { PageHeader } from "../../components/page_header";
import page from "../../components/page.module.css";
import { ago, bytes, plural, whole, words } from "../../lib/format";
import { EntryDrawer } from "./entry_drawer";
import styles from "./quarantine.module.css";
import { Redrives } from "./redrives";

const kRateDefault = 1000;

function Entry({ entry, checked, check, open }: { entry: Quarantined; checked: boolean; check: () => void; open: () => void }) {
  return (
    <li data-checked={checked}>
      <input type="checkbox" checked={checked} onChange={check} aria-label={`Select ${entry.event || entry.uuid}`} />
      <button type="button" onClick={open}>
        <span className={styles.what}>
          <b>{entry.event || "Event without a name"}</b>
          <span>{entry.distinct_id}</span>
          {entry.edited_at && <em>edited by {entry.edited_by}</em>}
        </span>
        <span className={styles.why}>{words(entry.reason)}</span>
        <span className="num">{bytes(entry.size_bytes)}</span>
        <time dateTime={entry.received_at}>{ago(entry.received_at, Date.now())}</time>
      </button>
    </li>
  );
}

/** What can be done with a selection, or with all that the search found. */
function Actions({ project, select, count, more, done }: { project: number; select: Select; count: number; more: boolean; done: () => void }) {
  const [rate, set_rate] = useState<number | string>(kRateDefault);
  const [sure, set_sure] = useState(false);
  const redrive = useQuarantineCommand(project, "redrive");
  const discard = useQuarantineCommand(project, "discard");
  const failed = redrive.error ?? discard.error;
  const amount = `${whole(count)}${more ? "+" : ""}`;
  return (
    <div className={styles.actions}>
      <span>{select.ids ? `${plural(count, "event")} selected` : `${amount} found`}</span>
      <NumberInput
        size="xs"
        w={150}
        min={1}
        max={1_000_000}
        value={rate}
        onChange={set_rate}
        aria-label="Events a second"
        suffix=" a second"
        allowDecimal={false}
      />
      <Button
        size="xs"
        loading={redrive.isPending}
        onClick={() => redrive.mutate({ select, per_second: Number(rate) || kRateDefault }, { onSuccess: done })}
      >
        Drive {select.ids ? "them" : "all"} again
      </Button>
      {!sure ? (
        <Button size="xs" variant="default" onClick={() => set_sure(true)}>
          Discard…
        </Button>
      ) : (
        <>
          <Button
            size="xs"
            color="red"
            loading={discard.isPending}
            onClick={() => discard.mutate({ select }, { onSuccess: () => (set_sure(false), done()) })}
          >
            Delete {amount} for good
          </Button>
          <Button size="xs" variant="subtle" onClick={() => set_sure(false)}>
            Keep
          </Button>
        </>
      )}
      {failed && <ErrorNote error={failed} />}
    </div>
  );
}

export default function QuarantinePage() {
  const { project } = useProject();
  const [params, set_params] = useSearchParams();
  const [text, set_text] = useState("");
  const [reason, set_reason] = useState("");
  const [chosen, set_chosen] = useState<string[]>([]);
  const [search] = useDebouncedValue(text.trim(), 250);
  const select: Select = { ...(search ? { text: search } : {}), ...(reason ? { reason } : {}) };
  const list = useQuarantined(project.id, select);
  const entries = list.data?.pages.flatMap((p) => p.entries) ?? [];
  const usage = list.data?.pages[0]?.usage;
  const reasons = [...new Set([...(reason ? [reason] : []), ...entries.map((e) => e.reason)])];
  const ids = chosen.filter((id) => entries.some((e) => e.id === id));
  const open_id = params.get("event") ?? "";
  const show = (id: string): void => set_params(id ? { event: id } : {}, { replace: true });
  const toggle = (id: string): void =>
    set_chosen((before) => (before.includes(id) ? before.filter((c) => c !== id) : [...before, id]));
  const searching = search !== "" || reason !== "";
  return (
    <div className={page.page}>
      <PageHeader
        title="Quarantine"
        hint={
          usage && usage.entries > 0
            ? `${plural(usage.entries, "event")}, ${bytes(usage.bytes)}, each with the bytes it came with.`
            : "What cannot be processed waits here with the bytes it came with."
        }
      />
      <Redrives project={project.id} />
      {list.error && <ErrorNote error={list.error} retry={() => void list.refetch()} />}
      {list.isPending && <FullLoader />}
      {list.data && entries.length === 0 && !searching && (
        <div className={`panel ${styles.empty}`} data-testid="quarantine-empty">
          <IconCircleCheck size={28} aria-hidden />
          <div>
            <b>Nothing is in quarantine</b>
            <p>Every event that came could be processed.</p>
          </div>
        </div>
      )}
      {list.data && (entries.length > 0 || searching) && (
        <section className={`panel ${styles.list}`} aria-label="Events in quarantine">
          <div className={styles.tools}>
            <TextInput
              leftSection={<IconSearch size={16} />}
              placeholder="Text of the event, or its uuid"
              aria-label="Search in quarantine"
              value={text}
              onChange={(e) => set_text(e.currentTarget.value)}
            />
            <div className={styles.reasons} role="group" aria-label="Reason">
              {reasons.map((r) => (
                <button key={r} type="button" aria-pressed={reason === r} onClick={() => set_reason(reason === r ? "" : r)}>
                  {words(r)}
                </button>
              ))}
            </div>
          </div>
          {entries.length > 0 && (
            <Actions
              project={project.id}
              select={ids.length > 0 ? { ids } : select}
              count={ids.length > 0 ? ids.length : entries.length}
              more={ids.length === 0 && list.hasNextPage}
              done={() => set_chosen([])}
            />
          )}
          <ul className={styles.entries}>
            {entries.map((e) => (
              <Entry key={e.id} entry={e} checked={ids.includes(e.id)} check={() => toggle(e.id)} open={() => show(e.id)} />
            ))}
          </ul>
          {entries.length === 0 && <p className={styles.none}>Nothing matches.</p>}
          {list.hasNextPage && (
            <Button variant="subtle" m="sm" loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
              Show more
            </Button>
          )}
        </section>
      )}
      <EntryDrawer project={project.id} id={open_id} on_close={() => show("")} />
    </div>
  );
}
