import "./app/fonts.css";
import "./app/mantine.css";
import "./app/tokens.css";
import "./app/base.css";

import { MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { lazy } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter, Navigate, Route, Routes } from "react-router";

import { query_client } from "./app/client";
import { Shell } from "./app/shell";
import { resolver, scheme_manager, theme } from "./app/theme";
import { LivePage } from "./pages/live/live_page";
import { LoginPage } from "./pages/login";

// The editor and the charts are most of the code; they come when their page is opened.
const AppsPage = lazy(() => import("./pages/apps/apps_page"));
const DefinitionsPage = lazy(() => import("./pages/definitions/definitions_page"));
const EventsPage = lazy(() => import("./pages/events/events_page"));
const FlagsPage = lazy(() => import("./pages/flags/flags_page"));
const GroupPage = lazy(() => import("./pages/groups/group_page"));
const GroupsPage = lazy(() => import("./pages/groups/groups_page"));
const LedgerPage = lazy(() => import("./pages/ledger/ledger_page"));
const QuarantinePage = lazy(() => import("./pages/quarantine/quarantine_page"));
const HealthPage = lazy(() => import("./pages/health/health_page"));
const PersonOfPage = lazy(() => import("./pages/persons/person_of_page"));
const PersonPage = lazy(() => import("./pages/persons/person_page"));
const PersonsPage = lazy(() => import("./pages/persons/persons_page"));
const RecordingPage = lazy(() => import("./pages/replay/recording_page"));
const RecordingsPage = lazy(() => import("./pages/replay/recordings_page"));
const SettingsPage = lazy(() => import("./pages/settings/settings_page"));
const WarningsPage = lazy(() => import("./pages/warnings/warnings_page"));
const TracePage = lazy(() => import("./pages/trace/trace_page"));

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
  <MantineProvider
    theme={theme}
    cssVariablesResolver={resolver}
    colorSchemeManager={scheme_manager}
    defaultColorScheme="auto"
  >
    <QueryClientProvider client={query_client}>
      <BrowserRouter>
        <Routes>
          <Route path="/login" element={<LoginPage />} />
          <Route element={<Shell />}>
            <Route path="/live" element={<LivePage />} />
            <Route path="/events" element={<EventsPage />} />
            <Route path="/persons" element={<PersonsPage />} />
            <Route path="/persons/of" element={<PersonOfPage />} />
            <Route path="/persons/:id" element={<PersonPage />} />
            <Route path="/definitions" element={<DefinitionsPage />} />
            <Route path="/groups/:type?" element={<GroupsPage />} />
            <Route path="/groups/:type/of" element={<GroupPage />} />
            <Route path="/replay" element={<RecordingsPage />} />
            <Route path="/replay/:session" element={<RecordingPage />} />
            <Route path="/trace/:uuid?" element={<TracePage />} />
            <Route path="/apps" element={<AppsPage />} />
            <Route path="/flags" element={<FlagsPage />} />
            <Route path="/ledger" element={<LedgerPage />} />
            <Route path="/quarantine" element={<QuarantinePage />} />
            <Route path="/health" element={<HealthPage />} />
            <Route path="/warnings" element={<WarningsPage />} />
            <Route path="/settings" element={<SettingsPage />} />
            <Route path="*" element={<Navigate to="/live" replace />} />
          </Route>
        </Routes>
      </BrowserRouter>
    </QueryClientProvider>
  </MantineProvider>,
);
