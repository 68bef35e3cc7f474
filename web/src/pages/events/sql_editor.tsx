// The SQL editor: CodeMirror with the project's tables, ClickHouse functions and Ctrl-Enter.
import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  closeCompletion,
  completeFromList,
  completionKeymap,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { SQLDialect, sql, type SQLNamespace } from "@codemirror/lang-sql";
import { bracketMatching, syntaxHighlighting } from "@codemirror/language";
import { Compartment, EditorState, Prec } from "@codemirror/state";
import {
  EditorView,
  drawSelection,
  highlightActiveLine,
  keymap,
  lineNumbers,
  placeholder,
} from "@codemirror/view";
import { useEffect, useRef } from "react";

import type { SchemaTable } from "../../api/types";
import { kColours, kLook } from "../../components/code_look";
import { kFunctions, kKeywords, kTypes } from "./clickhouse_words";

const kDialect = SQLDialect.define({
  keywords: kKeywords,
  types: kTypes,
  builtin: "",
  identifierQuotes: "`\"",
  operatorChars: "*+-%<>!=&|~^/?:",
  hashComments: false,
  slashComments: false,
  doubleDollarQuotedStrings: false,
});

function language(schema: SchemaTable[]) {
  const tables: SQLNamespace = Object.fromEntries(
    schema.map((t) => [
      t.name,
      t.columns.map((c) => ({ label: c.name, type: "property", detail: c.type })),
    ]),
  );
  return [
    sql({ dialect: kDialect, schema: tables, defaultTable: "events", upperCaseKeywords: true }),
    kDialect.language.data.of({
      autocomplete: completeFromList(
        kFunctions.map((name) => ({ label: name, type: "function", apply: `${name}(`, boost: -1 })),
      ),
    }),
  ];
}

interface SqlEditorProps {
  value: string;
  schema: SchemaTable[];
  on_change: (sql: string) => void;
  on_run: () => void;
}

export function SqlEditor(props: SqlEditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const dialect = useRef(new Compartment());
  const now = useRef(props);
  now.current = props;

  useEffect(() => {
    if (!host.current) return undefined;
    const run = (view: EditorView): boolean => {
      closeCompletion(view);
      now.current.on_run();
      return true;
    };
    const editor = new EditorView({
      parent: host.current,
      state: EditorState.create({
        doc: now.current.value,
        extensions: [
          Prec.highest(keymap.of([{ key: "Mod-Enter", run }])),
          lineNumbers(),
          history(),
          drawSelection(),
          highlightActiveLine(),
          bracketMatching(),
          closeBrackets(),
          autocompletion({ icons: false }),
          // Tab leaves the editor, so that nobody is caught in it.
          keymap.of([...closeBracketsKeymap, ...completionKeymap, ...historyKeymap, ...defaultKeymap]),
          syntaxHighlighting(kColours),
          kLook,
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ "aria-label": "SQL query" }),
          placeholder("SELECT …"),
          dialect.current.of(language(now.current.schema)),
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
    view.current?.dispatch({ effects: dialect.current.reconfigure(language(props.schema)) });
  }, [props.schema]);

  useEffect(() => {
    const editor = view.current;
    if (!editor || editor.state.doc.toString() === props.value) return;
    editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: props.value } });
  }, [props.value]);

  return <div ref={host} style={{ height: "100%" }} data-testid="sql-editor" />;
}
