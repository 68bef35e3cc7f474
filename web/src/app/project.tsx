// Which project the pages look at. It is remembered per browser and not part of the address.
import { createContext, useContext, useMemo, useState, type ReactNode } from "react";

import { useProjects } from "../api/queries";
import type { Project } from "../api/types";
import { ErrorNote } from "../components/error_note";
import { load, save } from "../lib/storage";
import { FullLoader } from "../components/full_loader";

interface Current {
  project: Project;
  projects: Project[];
  choose: (id: number) => void;
}

const Context = createContext<Current | null>(null);

export function useProject(): Current {
  const current = useContext(Context);
  if (!current) throw new Error("useProject outside of ProjectProvider");
  return current;
}

export function ProjectProvider({ children }: { children: ReactNode }) {
  const projects = useProjects();
  const [chosen, set_chosen] = useState(() => load("project", 0));
  const current = useMemo<Current | null>(() => {
    const list = projects.data ?? [];
    const project = list.find((p) => p.id === chosen) ?? list[0];
    if (!project) return null;
    const choose = (id: number): void => {
      save("project", id);
      set_chosen(id);
    };
    return { project, projects: list, choose };
  }, [projects.data, chosen]);

  if (projects.error) return <ErrorNote error={projects.error} m="xl" retry={() => void projects.refetch()} />;
  if (projects.isPending) return <FullLoader />;
  if (!current) return <ErrorNote error={new Error("There is no project you may see.")} m="xl" />;
  return <Context.Provider value={current}>{children}</Context.Provider>;
}
