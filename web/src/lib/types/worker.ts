// The language service off the page's thread: starting it takes a second, and asking it some.
import ts from "typescript-service";

import declarations from "../../../../src/apps/js/penstock-app.d.ts?raw";
import { TypeService } from "./service";
import type { Answer, Asked } from "./client";

const library = Object.fromEntries(
  Object.entries(
    import.meta.glob<string>("../../../node_modules/typescript-service/lib/lib.{es5,es20*,decorators*}.d.ts", {
      query: "?raw",
      import: "default",
      eager: true,
    }),
  ).map(([path, text]) => [path.slice(path.lastIndexOf("/") + 1), text]),
);
const service = new TypeService(ts, library, declarations);

const answer = (asked: Asked): unknown => {
  switch (asked.what) {
    case "open":
      return service.open(asked.files, asked.config);
    case "mistakes":
      return service.mistakes(asked.file);
    case "completions":
      return service.completions(asked.file, asked.at);
    case "meaning":
      return service.meaning(asked.file, asked.at);
  }
};

self.onmessage = ({ data }: MessageEvent<Asked>) => {
  let told: Answer;
  try {
    told = { id: data.id, value: answer(data) };
  } catch (error) {
    told = { id: data.id, error: String(error) };
  }
  self.postMessage(told);
};
