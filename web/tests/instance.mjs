// A Penstock of its own for the tests: the real binary in a temporary directory on free ports,
// ended by its process id.
import { spawn, execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run_file = promisify(execFile);
const kRoot = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
export const kBinary = process.env.PENSTOCK_BIN ?? join(kRoot, "build/release/penstock");
const kStartMsMax = 30_000;
const kStopMsMax = 20_000;

function host_of(url) {
  return url.replace(/^https?:\/\//, "");
}

export class Instance {
  static async start() {
    const instance = new Instance();
    instance.data = await mkdtemp(join(tmpdir(), "penstock-web-"));
    await instance.launch("127.0.0.1:0", "127.0.0.1:0");
    return instance;
  }

  /** Ends when the banner was printed: from then on everything is served. */
  async launch(listen, admin) {
    const args = ["up", "--data", this.data, "--listen", listen, "--admin", admin, "--set", "replay.flush_ms=200"];
    this.child = spawn(kBinary, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.exited = new Promise((done) => this.child.once("exit", done));
    let text = "";
    await new Promise((ready, failed) => {
      const late = setTimeout(() => failed(new Error(`no banner:\n${text}`)), kStartMsMax);
      const hear = (chunk) => {
        text += chunk;
        if (!text.includes("Ctrl-C stops it")) return;
        clearTimeout(late);
        ready();
      };
      this.child.stdout.on("data", hear);
      this.child.stderr.on("data", hear);
      this.child.once("error", failed);
      this.exited.then((code) => failed(new Error(`penstock ended with ${code}:\n${text}`)));
    });
    const about = JSON.parse(await readFile(join(this.data, "run/instance.json"), "utf8"));
    this.capture_url = about.capture_url;
    this.admin_url = about.admin_url;
    this.token = about.project_key;
    this.link = /\S+\/login#secret=\S+/.exec(text)?.[0] ?? "";
  }

  async stop() {
    this.child.kill("SIGINT");
    const late = setTimeout(() => this.child.kill("SIGKILL"), kStopMsMax);
    await this.exited;
    clearTimeout(late);
  }

  async restart() {
    await this.stop();
    await this.launch(host_of(this.capture_url), host_of(this.admin_url));
  }

  async remove() {
    await this.stop();
    await rm(this.data, { recursive: true, force: true });
  }

  async command(...args) {
    const { stdout } = await run_file(kBinary, [...args, "--data", this.data]);
    return stdout.trim();
  }

  /** What an SDK does: a batch over HTTP. */
  async send(events, token = this.token) {
    const response = await fetch(`${this.capture_url}/batch/`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ api_key: token, batch: events }),
    });
    if (!response.ok) throw new Error(`capture answered ${response.status}`);
  }
}
