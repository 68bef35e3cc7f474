// The editor of an app's code: hints and meanings from its types, mistakes as they are typed.
//
// What is wrong comes from two who know: the language service in this browser (types), and the server
// that will run it (`apps/check`, which compiles without running anything).
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, type CompletionContext, type CompletionResult } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { javascript } from "@codemirror/lang-javascript";
import { StreamLanguage, bracketMatching, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, linter, type Diagnostic } from "@codemirror/lint";
import { EditorState, type Extension } from "@codemirror/state";
import { EditorView, drawSelection, hoverTooltip, keymap, lineNumbers, type Tooltip } from "@codemirror/view";
import { useEffect, useRef } from "react";

import type { AppMistake } from "../../api/apps";
import { kColours, kLook } from "../../components/code_look";
import { hog_path, kHogFunctions, kHogMembers, kHogWords } from "../../lib/hog_words";
import type { TypeClient } from "../../lib/types/client";

const kTypingMs = 500;
const kKinds: Record<string, string> = {
  function: "function", method: "function", property: "property", const: "constant", let: "variable", var: "variable",
  parameter: "variable", class: "class", interface: "type", type: "type", keyword: "keyword", module: "namespace",
};

const hog = StreamLanguage.define<{ comment: boolean }>({
  name: "hog",
  startState: () => ({ comment: false }),
  token(stream, state) {
    if (state.comment) {
      state.comment = !stream.match(/.*?\*\//);
      if (state.comment) stream.skipToEnd();
      return "comment";
    }
    if (stream.eatSpace()) return null;
    if (stream.match(/(\/\/|--|#).*/)) return "comment";
    if (stream.match("/*")) {
      state.comment = true;
      return "comment";
    }
    if (stream.match(/f?'(?:[^'\\]|\\.|'')*'?/)) return "string";
    if (stream.match(/\d+(\.\d+)?(e[+-]?\d+)?/i)) return "number";
    const word = stream.match(/[A-Za-z_$][\w$]*/);
    if (word) return Array.isArray(word) && kHogWords.includes(word[0].toLowerCase()) ? "keyword" : "variableName";
    stream.next();
    return null;
  },
  languageData: { commentTokens: { line: "//", block: { open: "/*", close: "*/" } } },
});

function hog_options(inputs: string[]) {
  return (context: CompletionContext): CompletionResult | null => {
    const line = context.state.doc.lineAt(context.pos);
    const { path, typed } = hog_path(line.text.slice(0, context.pos - line.from));
    if (!context.explicit && path === "" && typed === "") return null;
    const members = path === "inputs" ? inputs : kHogMembers[path];
    const options = path !== ""
      ? (members ?? []).map((label) => ({ label, type: "property" }))
      : [
          { label: "event", type: "variable", detail: "the event, as it is now" },
          { label: "inputs", type: "variable", detail: "the configuration" },
          ...kHogFunctions.map(([label, detail]) => ({ label, type: "function", detail })),
          ...kHogWords.map((label) => ({ label, type: "keyword" })),
        ];
    return options.length === 0 ? null : { from: context.pos - typed.length, options, validFor: /^[\w$]*$/ };
  };
}

function typed_options(types: TypeClient, file: string, now: () => Promise<void>) {
  return async (context: CompletionContext): Promise<CompletionResult | null> => {
    const word = context.matchBefore(/[\w$]*$/);
    const from = word?.from ?? context.pos;
    const before = context.state.sliceDoc(Math.max(0, from - 1), from);
    if (!context.explicit && from === context.pos && before !== ".") return null;
    await now();
    const found = await types.completions(file, context.pos).catch(() => []);
    if (found.length === 0) return null;
    return { from, options: found.map(({ label, kind }) => ({ label, type: kKinds[kind] ?? "variable" })), validFor: /^[\w$]*$/ };
  };
}

function typed_hover(types: TypeClient, file: string, now: () => Promise<void>): Extension {
  return hoverTooltip(async (_view, at): Promise<Tooltip | null> => {
    await now();
    const meaning = await types.meaning(file, at).catch(() => null);
    if (!meaning || meaning.signature === "") return null;
    return {
      pos: meaning.from,
      end: meaning.to,
      above: true,
      create: () => {
        const dom = document.createElement("div");
        dom.className = "cm-meaning";
        const code = dom.appendChild(document.createElement("code"));
        code.textContent = meaning.signature;
        if (meaning.documentation !== "") dom.appendChild(document.createElement("p")).textContent = meaning.documentation;
        return { dom };
      },
    };
  });
}

/** A place of the server's as the editor has it: the word that begins there. */
function diagnostic_at(view: EditorView, mistake: AppMistake): Diagnostic {
  const { doc } = view.state;
  const line = doc.line(Math.min(Math.max(mistake.line, 1), doc.lines));
  const from = Math.min(line.from + Math.max(mistake.column - 1, 0), line.to);
  const word = /^[\w$]+|^./.exec(doc.sliceString(from, line.to));
  return { from, to: from + (word?.[0].length ?? 0), severity: "error", message: mistake.message };
}

interface CodeEditorProps {
  file: string;
  value: string;
  on_change: (text: string) => void;
  /** Null: no types for this file. */
  types: TypeClient | null;
  /** Lets the language service know all files as they are now. */
  share: () => Promise<void>;
  check: (file: string, text: string) => Promise<AppMistake[]>;
  inputs: string[];
}

/** Made anew for another file: give it the file as its key. */
export function CodeEditor(props: CodeEditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const now = useRef(props);
  now.current = props;

  useEffect(() => {
    if (!host.current) return undefined;
    const { file, types, inputs } = now.current;
    const is_script = /\.([cm]?js|jsx|tsx?)$/.test(file);
    const share = (): Promise<void> => now.current.share();
    const find = async (editor: EditorView): Promise<Diagnostic[]> => {
      const text = editor.state.doc.toString();
      const [typed, compiled] = await Promise.all([
        types && is_script ? share().then(() => types.mistakes(file)).catch(() => []) : [],
        now.current.check(file, text).catch(() => []),
      ]);
      if (editor.state.doc.toString() !== text) return [];
      const lines = new Set(typed.map((m) => editor.state.doc.lineAt(Math.min(m.from, text.length)).number));
      return [
        ...typed.map((m) => ({ ...m, from: Math.min(m.from, text.length), to: Math.min(m.to, text.length) })),
        // Both say the same of a line that cannot be read.
        ...compiled.filter((m) => !lines.has(m.line)).map((m) => diagnostic_at(editor, m)),
      ];
    };
    const language: Extension[] = file.endsWith(".hog")
      ? [hog, autocompletion({ override: [hog_options(inputs)], icons: false })]
      : is_script
        ? [
            javascript({ typescript: /\.tsx?$/.test(file), jsx: /x$/.test(file) }),
            types ? [autocompletion({ override: [typed_options(types, file, share)], icons: false }), typed_hover(types, file, share)] : [],
          ]
        : [];
    const editor = new EditorView({
      parent: host.current,
      state: EditorState.create({
        doc: now.current.value,
        extensions: [
          lineNumbers(),
          lintGutter(),
          history(),
          drawSelection(),
          indentOnInput(),
          bracketMatching(),
          closeBrackets(),
          language,
          linter(find, { delay: kTypingMs }),
          // Tab leaves the editor, so that nobody is caught in it.
          keymap.of([...closeBracketsKeymap, ...completionKeymap, ...historyKeymap, ...defaultKeymap]),
          syntaxHighlighting(kColours),
          kLook,
          EditorView.contentAttributes.of({ "aria-label": `Code of ${file}` }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) now.current.on_change(update.state.doc.toString());
          }),
        ],
      }),
    });
    view.current = editor;
    return () => editor.destroy();
  }, []);

  useEffect(() => {
    const editor = view.current;
    if (!editor || editor.state.doc.toString() === props.value) return;
    editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: props.value } });
  }, [props.value]);

  return <div ref={host} data-testid="code-editor" />;
}
