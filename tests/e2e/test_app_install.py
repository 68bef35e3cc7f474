"""What can be installed as an app, what it is called then, and what is refused before anything is kept."""
import base64
import io
import json
import pathlib
import tempfile
import zipfile

from harness import Penstock
from test_apps import ask, event, row, run, send, settled, status_of

MARKS = "export function processEvent(event: { properties: Record<string, string> }) {\n" \
        "  event.properties.mark = MARK\n  return event\n}\n"


def code(mark):
    return MARKS.replace("MARK", json.dumps(mark))


def archive(files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as out:
        for path, text in files.items():
            out.writestr(path, text)
    return base64.b64encode(packed.getvalue()).decode()


def refused(p, path, body):
    status, answer = p.api(f"/api/projects/1{path}", body, "POST")
    assert status == 400, (status, answer)
    return answer["error"]


def marked(p, app):
    """The mark that an event gets by the app."""
    config = ask(p, "/app_configs", {"app": app["id"], "enabled": True, "config": {}}, "POST")
    p.eventually(lambda: status_of(p, config["id"]).get("health") == "healthy")
    sent = event()
    send(p, sent)
    settled(p)
    ask(p, f"/app_configs/{config['id']}", {"enabled": False}, "PATCH")
    return row(p, sent)["mark"]


def test_an_app_needs_no_plugin_json():
    with Penstock() as p:
        def install(body):
            return ask(p, "/apps", body, "POST")
        sources = install({"files": {"index.ts": code("sources")}, "name": "Only sources"})
        nameless = install({"files": {"index.ts": code("nameless")}})
        npm = install({"files": {"package.json": '{"name":"@me/plugin","main":"dist/index.js","description":"D"}',
                                 "src/index.ts": "export * from './lib/marks.js'\n", "src/lib/marks.ts": code("npm")}})
        github = install({"archive": archive({"some-plugin-main/index.ts": code("github"),
                                              "some-plugin-main/index.test.ts": "import jest from 'jest'\n"})})
        names = [app["name"] for app in (sources, nameless, npm, github)]
        assert names == ["Only sources", "Untitled app", "plugin", "some-plugin"], names
        assert npm["description"] == "D", npm
        assert [marked(p, app) for app in (sources, nameless, npm, github)] == ["sources", "nameless", "npm", "github"]
        # A version without a name is still this app; what has none is no version of what has none either.
        again = ask(p, f"/apps/{sources['id']}/versions", {"files": {"index.ts": code("again")}}, "POST")
        assert (again["name"], again["version"]) == ("Only sources", 2), again
        assert install({"files": {"index.ts": code("x")}, "update": True})["id"] != nameless["id"]

        with tempfile.TemporaryDirectory() as folder:
            at = pathlib.Path(folder, "from-a-folder")
            at.mkdir()
            (at / "index.ts").write_text(code("one"))
            assert "from-a-folder is enabled" in run(p, p.home, "app", "deploy", str(at))
            (at / "index.ts").write_text(code("two"))
            run(p, p.home, "app", "deploy", str(at))
        deployed = [app for app in ask(p, "/apps")["results"] if app["name"] == "from-a-folder"]
        assert [app["version"] for app in deployed] == [2], deployed


def test_code_that_cannot_run_is_not_published():
    with Penstock() as p:
        wrong = refused(p, "/apps", {"files": {"index.js": "const a = 1\nexport const b = = 2\n"}})
        assert (wrong["file"], wrong["line"], wrong["column"]) == ("index.js", 2, 18), wrong
        assert wrong["message"].startswith("index.js:2:18: "), wrong
        wrong = refused(p, "/apps", {"files": {"index.ts": "import { a } from './lib'\na()\n",
                                               "lib.ts": "export function a() {\n  return 'x\n}\n"}})
        assert (wrong["file"], wrong["line"]) == ("lib.ts", 2), wrong
        wrong = refused(p, "/apps", {"files": {"index.ts": "import axios from 'axios'\nexport const a = axios.get\n"}})
        assert (wrong["line"], wrong["column"]) == (1, 19) and "Cannot import 'axios'" in wrong["message"], wrong
        wrong = refused(p, "/apps", {"files": {"index.js": "const { Client } = require('pg')\nexports.a = Client\n"}})
        assert "'pg' is not provided" in wrong["message"] and wrong["line"] == 1, wrong
        assert ask(p, "/apps")["results"] == []

        app = ask(p, "/apps", {"files": {"index.ts": code("first")}, "name": "Kept"}, "POST")
        refused(p, f"/apps/{app['id']}/versions", {"files": {"index.ts": "export const a: = 1"}})
        assert ask(p, f"/apps/{app['id']}")["app"]["version"] == 1
        assert marked(p, app) == "first"


STYLES = """import type { Plugin } from '@posthog/plugin-scaffold'
export namespace Marks {
  export enum Kind { First = 'first' }
  export let asked = 0
  export function of<T extends string>(name: T): string { asked++; return `${Kind.First}-${name}` }
  export namespace Deep { export const more = of('deep') }
}
namespace Marks { export const again = `${Kind.First}-again` }
class Marker { readonly whole = this.name + '!'; constructor(private readonly name: string) {} }
import Deep = Marks.Deep
const plugin = {
  processEvent: (event) => {
    event.properties!.mark = [Marks.of('a'), Deep.more, Marks.again, Marks.asked, new Marker('m').whole].join()
    return event
  },
} satisfies Plugin
export = plugin
"""


def test_typescript_is_what_typescript_makes_of_it():
    with Penstock() as p:
        app = ask(p, "/apps", {"files": {"index.ts": STYLES}, "name": "Styles"}, "POST")
        assert marked(p, app) == "first-a,first-deep,first-again,2,m!"


IMPORTS = """import AWS, { S3 } from 'aws-sdk'
import * as everything from 'aws-sdk'
import fetch, { FetchError } from 'node-fetch'
export async function processEvent(event) {
  try {
    await fetch('http://127.0.0.1:1/')
  } catch (error) {
    event.properties.mark = [error instanceof FetchError, error.type, error.code, AWS.S3 === S3, everything.S3 === S3].join()
  }
  return event
}
"""


def test_what_is_imported_is_what_node_would_import():
    with Penstock("--set", "apps.allow_private_hosts=127.0.0.1") as p:
        app = ask(p, "/apps", {"files": {"index.ts": IMPORTS}, "name": "Imports"}, "POST")
        assert marked(p, app) == "true,system,ECONNREFUSED,true,true"
