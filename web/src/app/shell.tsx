// The frame around every page: a rail on wide screens, a top line and a bottom bar on phones.
import { Menu, UnstyledButton } from "@mantine/core";
import {
  IconActivityHeartbeat,
  IconArchive,
  IconAlertTriangle,
  IconBroadcast,
  IconBuilding,
  IconChevronDown,
  IconDotsCircleHorizontal,
  IconFlag,
  IconListDetails,
  IconMovie,
  IconPuzzle,
  IconRouteAltLeft,
  IconScale,
  IconSettings,
  IconTable,
  IconUsers,
} from "@tabler/icons-react";
import { Suspense, useEffect, useRef } from "react";
import { NavLink, Navigate, Outlet, useLocation } from "react-router";

import { useMe } from "../api/queries";
import { is_status } from "../api/client";
import { ErrorNote } from "../components/error_note";
import { FullLoader } from "../components/full_loader";
import { Mark } from "../components/mark";
import { AccountMenu } from "./account_menu";
import { Pulse } from "./pulse";
import { ProjectProvider, useProject } from "./project";
import styles from "./shell.module.css";

const kPages = [
  { to: "/live", label: "Live", icon: IconBroadcast },
  { to: "/events", label: "Events", icon: IconTable },
  { to: "/persons", label: "Persons", icon: IconUsers },
  { to: "/groups", label: "Groups", icon: IconBuilding },
  { to: "/replay", label: "Replay", icon: IconMovie },
  { to: "/trace", label: "Trace", icon: IconRouteAltLeft },
  { to: "/definitions", label: "Definitions", icon: IconListDetails },
  { to: "/apps", label: "Apps", icon: IconPuzzle },
  { to: "/flags", label: "Flags", icon: IconFlag },
  { to: "/ledger", label: "Ledger", icon: IconScale },
  { to: "/quarantine", label: "Quarantine", icon: IconArchive },
  { to: "/health", label: "Health", icon: IconActivityHeartbeat },
  { to: "/warnings", label: "Warnings", icon: IconAlertTriangle },
  { to: "/settings", label: "Settings", icon: IconSettings },
];

// A thumb hits what is wide enough: a phone's bar has these, the rest is a tap further.
const kThumbPages = ["/live", "/events", "/replay", "/health"];

function PageLink({ to, label, icon: Icon }: (typeof kPages)[number]) {
  return (
    <NavLink to={to}>
      <Icon size={20} stroke={1.7} aria-hidden />
      <span>{label}</span>
    </NavLink>
  );
}

function Rail() {
  return (
    <nav className={styles.links} aria-label="Pages">
      {kPages.map((p) => (
        <PageLink key={p.to} {...p} />
      ))}
    </nav>
  );
}

function BottomBar() {
  const { pathname } = useLocation();
  const more = kPages.filter((p) => !kThumbPages.includes(p.to));
  const here = more.find((p) => pathname.startsWith(p.to));
  const Icon = here?.icon ?? IconDotsCircleHorizontal;
  return (
    <nav className={styles.bottom} aria-label="Pages">
      {kPages.filter((p) => kThumbPages.includes(p.to)).map((p) => (
        <PageLink key={p.to} {...p} />
      ))}
      <Menu position="top-end" width={200}>
        <Menu.Target>
          <UnstyledButton aria-label="More pages" data-here={here !== undefined}>
            <Icon size={20} stroke={1.7} aria-hidden />
            <span>{here?.label ?? "More"}</span>
          </UnstyledButton>
        </Menu.Target>
        <Menu.Dropdown>
          {more.map((p) => (
            <Menu.Item key={p.to} component={NavLink} to={p.to} leftSection={<p.icon size={18} stroke={1.7} aria-hidden />}>
              {p.label}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
    </nav>
  );
}

function ProjectChoice() {
  const { project, projects, choose } = useProject();
  if (projects.length < 2) return <div className={styles.project}>{project.name}</div>;
  return (
    <Menu position="bottom-start" width={220}>
      <Menu.Target>
        <UnstyledButton className={styles.project} aria-label="Choose a project">
          <span className="clip">{project.name}</span>
          <IconChevronDown size={14} aria-hidden />
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        {projects.map((p) => (
          <Menu.Item key={p.id} onClick={() => choose(p.id)} fw={p.id === project.id ? 650 : 400}>
            {p.name}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

/** Begins anew with every project: nothing of one may be seen under the name of another. */
function Page() {
  const { project } = useProject();
  return (
    <Suspense key={project.id} fallback={<FullLoader />}>
      <Outlet />
    </Suspense>
  );
}

/** A page begins at its top and has the keyboard, as a page that was loaded anew would. */
function Main() {
  const main = useRef<HTMLElement>(null);
  const here = useLocation().pathname;
  const before = useRef(here);
  useEffect(() => {
    if (before.current === here) return;
    before.current = here;
    main.current?.scrollTo({ top: 0 });
    // What took the focus by itself keeps it.
    if (!main.current?.contains(document.activeElement)) main.current?.focus({ preventScroll: true });
  }, [here]);
  return (
    <main id="content" ref={main} className={styles.main} tabIndex={-1}>
      <Page />
    </main>
  );
}

export function Shell() {
  const me = useMe();
  const location = useLocation();
  if (me.isPending) return <FullLoader />;
  if (me.error && !me.data && !is_status(me.error, 401)) return <ErrorNote error={me.error} m="xl" retry={() => void me.refetch()} />;
  if (!me.data) return <Navigate to="/login" replace state={{ from: location.pathname + location.search }} />;
  return (
    <ProjectProvider>
      <div className={styles.shell}>
        <a className={styles.skip} href="#content">
          Skip to content
        </a>
        <aside className={styles.rail}>
          <div className={styles.brand}>
            <Mark />
            <span>Penstock</span>
          </div>
          <ProjectChoice />
          <Rail />
          <div className={styles.foot}>
            <Pulse />
            <AccountMenu me={me.data} />
          </div>
        </aside>
        <header className={styles.top}>
          <Mark size={24} />
          <ProjectChoice />
          <Pulse compact />
          <AccountMenu me={me.data} compact />
        </header>
        <Main />
        <BottomBar />
      </div>
    </ProjectProvider>
  );
}
