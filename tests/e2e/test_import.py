"""Projects of a PostHog installation taken over from its PostgreSQL: the same ids, tokens and settings."""
import json
import subprocess
import tempfile

from harness import BIN, Penstock
import postgres

# posthog_team as PostHog's migrations make it: the columns that matter here and some that do not.
TABLES = """
CREATE TABLE posthog_organization (id uuid PRIMARY KEY, name varchar(64) NOT NULL, slug varchar(48));
CREATE TABLE posthog_project (id bigint PRIMARY KEY, organization_id uuid NOT NULL, name varchar(200) NOT NULL);
CREATE TABLE posthog_team (
  id serial PRIMARY KEY, uuid uuid NOT NULL DEFAULT gen_random_uuid(), organization_id uuid NOT NULL,
  project_id bigint NOT NULL, api_token varchar(200) NOT NULL UNIQUE, secret_api_token varchar(200),
  app_urls varchar(200)[] NOT NULL DEFAULT '{}', name varchar(200) NOT NULL, created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(), anonymize_ips boolean NOT NULL DEFAULT false,
  completed_snippet_onboarding boolean NOT NULL DEFAULT false, ingested_event boolean NOT NULL DEFAULT false,
  person_processing_opt_out boolean, autocapture_opt_out boolean, autocapture_web_vitals_opt_in boolean,
  autocapture_web_vitals_allowed_metrics jsonb, autocapture_exceptions_opt_in boolean,
  session_recording_opt_in boolean NOT NULL DEFAULT false, session_recording_sample_rate numeric(3,2),
  session_recording_minimum_duration_milliseconds integer, session_recording_linked_flag jsonb,
  session_recording_network_payload_capture_config jsonb, session_recording_masking_config jsonb,
  session_recording_url_trigger_config jsonb[], session_recording_url_blocklist_config jsonb[],
  session_recording_event_trigger_config text[], session_recording_trigger_match_type_config varchar(24),
  session_replay_config jsonb, capture_console_log_opt_in boolean, capture_performance_opt_in boolean,
  capture_dead_clicks boolean, surveys_opt_in boolean, heatmaps_opt_in boolean, timezone varchar(240) NOT NULL DEFAULT 'UTC',
  week_start_day smallint, data_attributes jsonb NOT NULL DEFAULT '[]', recording_domains varchar(200)[],
  cookieless_server_hash_mode smallint, drop_events_older_than interval);
INSERT INTO posthog_organization VALUES ('018f0000-0000-7000-8000-000000000001', 'Acme', 'acme');
INSERT INTO posthog_project VALUES (1, '018f0000-0000-7000-8000-000000000001', 'Shop'),
                                   (44, '018f0000-0000-7000-8000-000000000001', 'Blog');
INSERT INTO posthog_team (id, organization_id, project_id, api_token, secret_api_token, name, created_at)
  VALUES (1, '018f0000-0000-7000-8000-000000000001', 1, 'phc_shop_live', 'phs_nobody_may_see_this', 'Shop', '2023-05-01T10:00:00Z');
INSERT INTO posthog_team (id, organization_id, project_id, api_token, name, created_at, app_urls, anonymize_ips,
    person_processing_opt_out, session_recording_opt_in, session_recording_sample_rate,
    session_recording_linked_flag, session_recording_url_trigger_config, session_recording_event_trigger_config,
    capture_console_log_opt_in, heatmaps_opt_in, timezone, cookieless_server_hash_mode, drop_events_older_than)
  VALUES (57, '018f0000-0000-7000-8000-000000000001', 44, 'django-era-token', 'Production',
    '2024-01-02T03:04:05Z', '{https://blog.example}', true, true, true, 0.50,
    '{"id": 9, "key": "record-me"}', ARRAY['{"url": "/checkout", "matching": "regex"}']::jsonb[], '{bought}',
    true, true, 'Europe/Berlin', 1, interval '30 days');
"""


def run(server, data, *words):
    done = subprocess.run([BIN, "projects", "import", "--data", data, "--from", server.url, *words],
                          capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def imported(server, data, *words):
    code, out, err = run(server, data, "--json", *words)
    assert code == 0, (out, err)
    return json.loads(out)


def test_projects_of_posthog_go_on_with_their_ids_tokens_and_settings():
    if not postgres.installed():
        return postgres.MISSING
    with postgres.Postgres("fsync=off") as server:
        with tempfile.TemporaryDirectory() as empty:
            code, out, err = run(server, empty)
            assert code == 1 and "posthog_team" in err, (out, err)
        server.sql(TABLES)
        p = Penstock()
        # What would be done: a table for people, and nothing is there afterwards.
        code, out, err = run(server, p.data, "--dry-run")
        assert code == 0 and "phc_shop_live" in out and "Blog / Production" in out and "Acme" in out, (out, err)
        assert "app_urls" in out and "2 of 2 projects would be" in out, out
        assert "nobody_may_see_this" not in out
        first = imported(server, p.data)
        assert [(one["id"], one["here"]) for one in first["projects"]] == [(1, "new"), (57, "new")]
        # Again: nothing to do. Changed there: that, and no more.
        assert [one["here"] for one in imported(server, p.data)["projects"]] == ["same", "same"]
        server.sql("UPDATE posthog_team SET name = 'Store' WHERE id = 1")
        assert [one["here"] for one in imported(server, p.data)["projects"]] == ["changes name", "same"]
        goes_on(p, server)


def goes_on(p, server):
    with p:
        code, out, err = run(server, p.data)
        assert code == 1 and "stop Penstock first" in err, (out, err)
        listed = {one["id"]: (one["name"], one["token"]) for one in p.api("/api/projects")[1]["projects"]}
        assert listed[57] == ("Blog / Production", "django-era-token"), listed
        assert listed[1] == ("Shop / Store", "phc_shop_live"), listed
        # SDKs go on with their token; rows are the same project's, as its settings say.
        for token in ("django-era-token", "phc_shop_live"):
            status, body, _ = p.post("/batch/", {"api_key": token, "batch": [
                {"event": "seen", "distinct_id": "u", "properties": {"$ip": "203.0.113.9"}}]})
            assert status == 200, body
        for project, expected in ((1, ["203.0.113.9", "full"]), (57, ["", "propertyless"])):
            assert p.eventually(lambda project=project: p.sql(
                "SELECT JSONExtractString(properties, '$ip'), toString(person_mode) FROM events",
                project=project)) == [expected], project
        config = json.loads(p.get("/array/django-era-token/config")[1])
        recording = config["sessionRecording"]
        assert config["heatmaps"] is True and recording["sampleRate"] == "0.50", config
        assert recording["linkedFlag"] == "record-me" and recording["eventTriggers"] == ["bought"], recording
        assert recording["urlTriggers"] == [{"url": "/checkout", "matching": "regex"}], recording
        # A project made here gets an id of its own.
        status, made = p.api("/api/projects", {"name": "New"})
        assert status in (200, 201) and made["id"] > 57, made


def test_a_catalog_in_postgres_takes_projects_while_it_is_used_and_refuses_what_is_anothers():
    if not postgres.installed():
        return postgres.MISSING
    with postgres.Postgres("fsync=off") as server:
        server.sql(TABLES)
        flags = [word for pair in ("catalog.engine=postgres", f"catalog.postgres_url={server.url}",
                                   "catalog.look_ms=100") for word in ("--set", pair)]
        with Penstock(*flags) as p:  # it has made project 1 for itself
            with open(p.data + "/penstock.toml", "w") as config:
                config.write(f'[catalog]\nengine = "postgres"\npostgres_url = "{server.url}"\n')
            code, out, err = run(server, p.data)
            assert code == 1 and "nothing was changed" in err and "another token" in out, (out, err)
            assert len(p.api("/api/projects")[1]["projects"]) == 1
            server.sql("DELETE FROM posthog_team WHERE id = 1")
            imported(server, p.data)
            p.eventually(lambda: 57 in [one["id"] for one in p.api("/api/projects")[1]["projects"]])
            assert p.post("/batch/", {"api_key": "django-era-token", "batch": [
                {"event": "e", "distinct_id": "u"}]})[0] == 200
            p.eventually(lambda: p.ledger(57)["total"].get("stored") == 1)
            status, made = p.api("/api/projects", {"name": "New"})
            assert status in (200, 201) and made["id"] == 58, made
