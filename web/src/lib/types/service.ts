// TypeScript's language service over an app's files in memory: mistakes, completion and what a name means.
//
// Runs in a worker (types_worker.ts) and in tests. `ts` and the library's texts are handed in, so that
// only who uses it carries them. Places are UTF-16 offsets, as editors count.
import type ts from "typescript-service";

import { inserted_types, is_inserted, to_original, to_typed, type Insertions } from "./hooks";

export interface Mistake {
  from: number;
  to: number;
  severity: "error" | "warning";
  message: string;
}
export interface Option {
  label: string;
  kind: string;
  detail?: string;
}
export interface Meaning {
  from: number;
  to: number;
  signature: string;
  documentation: string;
}

const kLib = "/lib/";
const kOptionsMax = 300;
/** A forgotten annotation is no mistake here: files are JavaScript that somebody tries out. */
const kUntold = new Set([
  7006, 7031, 7005, 7034, 7016, 7053, 7019, // implicitly any
  2683, // `this`
  6133, 6192, 6196, 80001, 80002, 80006, // unused, suggestions
]);

export class TypeService {
  private readonly service: ts.LanguageService;
  private readonly files = new Map<string, { text: string; version: number; insertions: Insertions }>();

  constructor(
    private readonly compiler: typeof ts,
    private readonly library: Record<string, string>,
    declarations: string,
  ) {
    this.set("penstock-app.d.ts", declarations);
    const options: ts.CompilerOptions = {
      target: compiler.ScriptTarget.ES2023,
      module: compiler.ModuleKind.ESNext,
      moduleResolution: compiler.ModuleResolutionKind.Bundler,
      moduleDetection: compiler.ModuleDetectionKind.Auto,
      lib: ["lib.es2023.d.ts"],
      strict: true,
      noImplicitAny: false,
      noEmit: true,
      allowJs: true,
      checkJs: true,
      resolveJsonModule: true,
      types: [],
    };
    const text_of = (name: string): string | undefined =>
      name.startsWith(kLib) ? this.library[name.slice(kLib.length)] : this.files.get(name)?.text;
    this.service = compiler.createLanguageService({
      getScriptFileNames: () => [...this.files.keys()].filter((name) => /\.(d\.ts|[cm]?js|jsx|tsx?)$/.test(name)),
      getScriptVersion: (name) => String(this.files.get(name)?.version ?? 0),
      getScriptSnapshot: (name) => {
        const text = text_of(name);
        return text === undefined ? undefined : compiler.ScriptSnapshot.fromString(text);
      },
      getCurrentDirectory: () => "/",
      getCompilationSettings: () => options,
      getDefaultLibFileName: () => `${kLib}lib.es2023.d.ts`,
      fileExists: (name) => text_of(name) !== undefined,
      readFile: text_of,
      directoryExists: () => true,
      getDirectories: () => [],
    });
  }

  /** All files of the app, as they are now; `config` are its settings' keys. */
  open(files: Record<string, string>, config: string[]): void {
    for (const name of this.files.keys()) {
      if (!name.startsWith("/penstock-") && !(name.slice(1) in files)) this.files.delete(name);
    }
    for (const [name, text] of Object.entries(files)) this.set(name, text);
    const members = config.map((key) => `  ${JSON.stringify(key)}: any\n`).join("");
    this.set("penstock-config.d.ts", `interface PluginConfig {\n${members}}\n`);
  }

  mistakes(name: string): Mistake[] {
    const path = `/${name}`;
    const file = this.files.get(path);
    if (!file || !/\.([cm]?js|jsx|tsx?)$/.test(name)) return [];
    const found = [...this.service.getSyntacticDiagnostics(path), ...this.service.getSemanticDiagnostics(path)];
    return found
      .filter((d) => d.start !== undefined && !kUntold.has(d.code) && !is_inserted(file.insertions, d.start))
      .filter((d) => d.category <= this.compiler.DiagnosticCategory.Error)
      .map((d) => {
        const from = to_original(file.insertions, d.start ?? 0);
        return {
          from,
          to: Math.max(to_original(file.insertions, (d.start ?? 0) + (d.length ?? 0)), from),
          severity: d.category === this.compiler.DiagnosticCategory.Error ? "error" : "warning",
          message: this.compiler.flattenDiagnosticMessageText(d.messageText, "\n"),
        };
      });
  }

  /** What may stand at a place; `from` is where what is typed already begins. */
  completions(name: string, at: number): Option[] {
    const path = `/${name}`;
    const file = this.files.get(path);
    if (!file) return [];
    const found = this.service.getCompletionsAtPosition(path, to_typed(file.insertions, at), {
      includeCompletionsWithInsertText: false,
    });
    const options = (found?.entries ?? []).filter((entry) => entry.kind !== this.compiler.ScriptElementKind.warning);
    return options.slice(0, kOptionsMax).map((entry) => ({ label: entry.name, kind: entry.kind }));
  }

  meaning(name: string, at: number): Meaning | null {
    const path = `/${name}`;
    const file = this.files.get(path);
    const info = file && this.service.getQuickInfoAtPosition(path, to_typed(file.insertions, at));
    if (!file || !info) return null;
    const text = (parts: ts.SymbolDisplayPart[] | undefined): string => this.compiler.displayPartsToString(parts);
    const from = to_original(file.insertions, info.textSpan.start);
    return {
      from,
      to: to_original(file.insertions, info.textSpan.start + info.textSpan.length),
      signature: text(info.displayParts),
      documentation: text(info.documentation),
    };
  }

  private set(name: string, text: string): void {
    const path = `/${name}`;
    const typed = inserted_types(name, text);
    const known = this.files.get(path);
    if (known && known.text === typed.text) return;
    this.files.set(path, { ...typed, version: (known?.version ?? 0) + 1 });
  }
}
