// Asking the language service, which lives in a worker of its own as long as an editor is open.
import type { Meaning, Mistake, Option } from "./service";

export type Asked = { id: number } & (
  | { what: "open"; files: Record<string, string>; config: string[] }
  | { what: "mistakes"; file: string }
  | { what: "completions" | "meaning"; file: string; at: number }
);
export type Answer = { id: number; value: unknown } | { id: number; error: string };

type Question = Asked extends infer One ? (One extends Asked ? Omit<One, "id"> : never) : never;

export class TypeClient {
  private readonly worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  private readonly waiting = new Map<number, { done: (value: unknown) => void; failed: (error: Error) => void }>();
  private next = 1;

  constructor() {
    this.worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      const asker = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if ("error" in data) asker?.failed(new Error(data.error));
      else asker?.done(data.value);
    };
    this.worker.onerror = () => {
      for (const asker of this.waiting.values()) asker.failed(new Error("type hints are not available"));
      this.waiting.clear();
    };
  }

  open(files: Record<string, string>, config: string[]): Promise<void> {
    return this.ask({ what: "open", files, config });
  }
  mistakes(file: string): Promise<Mistake[]> {
    return this.ask({ what: "mistakes", file });
  }
  completions(file: string, at: number): Promise<Option[]> {
    return this.ask({ what: "completions", file, at });
  }
  meaning(file: string, at: number): Promise<Meaning | null> {
    return this.ask({ what: "meaning", file, at });
  }
  close(): void {
    this.worker.terminate();
  }

  private ask<T>(question: Question): Promise<T> {
    const id = this.next++;
    return new Promise<T>((done, failed) => {
      this.waiting.set(id, { done: done as (value: unknown) => void, failed });
      this.worker.postMessage({ id, ...question });
    });
  }
}
