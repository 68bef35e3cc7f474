// A recording comes from a page nobody here wrote. Before it is drawn, every address from which the
// browser would fetch something is taken out of it, so that watching a recording tells no third party
// and asks nothing of this server. With consent (`remote`) pictures, styles, fonts and media keep
// their absolute addresses. The content security policy of the page holds the same line once more; here it is
// drawn quietly and counted, so that the page can say what is missing.
import {
  is_object,
  kAdoptedStyleSheet,
  kCanvasMutation,
  kFont,
  kFull,
  kIncremental,
  kMediaInteraction,
  kMutation,
  kStyleDeclaration,
  kStyleSheetRule,
  list_of,
  type Members,
  type RrwebEvent,
  type RrwebNode,
} from "./rrweb";

const kSitesMax = 50;
const kAddressesMax = 10_000;
/** Attributes whose value is fetched by itself. */
const kFetched = new Set([
  "src", "srcset", "imagesrcset", "poster", "background", "lowsrc", "dynsrc", "rr_dataurl", "href",
  "xlink:href",
]);
/** Elements whose href is fetched; elsewhere it only leads somewhere, and nobody can click in a recording. */
const kFetchesHref = new Set(["link", "image", "use", "feimage", "mpath", "pattern"]);
/** rrweb draws these as noscript, which fetches nothing. */
const kScripts = new Set(["script", "noscript"]);
/** Elements that would bring another document, and what names it. */
const kFrames = new Set(["iframe", "frame", "object", "embed", "portal", "fencedframe"]);
const kNever = new Set(["srcdoc", "ping", "manifest", "http-equiv", "formaction", "attributionsrc"]);
/** Where no media are loaded there is nothing to play. */
const kMedia = new Set(["autoplay", "rr_mediastate"]);
const kFrameSource = new Set(["src", "data", "code", "codebase", "classid"]);
const kLocal = /^\s*(data:|blob:|#|about:blank|$)/i;
const kFontAddress = /\.(woff2?|ttf|otf|eot)([?#]|$)/i;
const kHiddenMark = "data-penstock-left-out";

export type Kind = "picture" | "style" | "font";

/** What was left out of a recording, for people. */
export class LeftOut {
  readonly #addresses = new Map<string, Kind>();
  readonly #sites = new Set<string>();
  canvas = false;

  add(address: string, kind: Kind): void {
    if (this.#addresses.size >= kAddressesMax) return;
    this.#addresses.set(address, kind);
    try {
      const { host, protocol } = new URL(address);
      if (/^https?:$/.test(protocol) && this.#sites.size < kSitesMax) this.#sites.add(host);
    } catch {
      // A relative address names no site.
    }
  }
  count(kind: Kind): number {
    let n = 0;
    for (const k of this.#addresses.values()) if (k === kind) n++;
    return n;
  }
  get total(): number {
    return this.#addresses.size;
  }
  get sites(): string[] {
    return [...this.#sites].sort();
  }
}

export interface CleanOptions {
  /** Consent was given to fetch what the page showed from where it was. */
  remote: boolean;
  /** This server's own host: a recording asks nothing of it, consent or not. */
  own_host: string;
}

export class Cleaner {
  readonly left_out = new LeftOut();

  constructor(readonly options: CleanOptions) {}

  /** Changes the event in place; false when it must not be replayed at all. */
  clean(event: RrwebEvent): boolean {
    const data = event.data;
    if (event.type === kFull) {
      if (is_object(data["node"])) this.#tree(data["node"] as unknown as RrwebNode);
      return true;
    }
    if (event.type !== kIncremental) return true;
    switch (data["source"]) {
      case kMutation:
        for (const add of list_of(data["adds"])) {
          if (is_object(add["node"])) this.#tree(add["node"] as unknown as RrwebNode);
        }
        for (const change of list_of(data["attributes"])) {
          if (is_object(change["attributes"])) this.#attributes("", change["attributes"]);
        }
        for (const text of list_of(data["texts"])) this.#css_member(text, "value");
        return true;
      case kStyleSheetRule:
        for (const add of list_of(data["adds"])) this.#css_member(add, "rule");
        this.#css_member(data, "replace");
        this.#css_member(data, "replaceSync");
        return true;
      case kStyleDeclaration:
        if (is_object(data["set"])) this.#css_member(data["set"], "value");
        return true;
      case kAdoptedStyleSheet:
        for (const sheet of list_of(data["styles"])) {
          for (const rule of list_of(sheet["rules"])) this.#css_member(rule, "rule");
        }
        return true;
      case kCanvasMutation:
        this.left_out.canvas = true;
        return false;
      case kMediaInteraction:
        return this.options.remote;
      case kFont:
        return this.#font(data);
      default:
        return true;
    }
  }

  #may_stay(address: string, kind: Kind): boolean {
    if (kLocal.test(address)) return true;
    if (this.options.remote) {
      try {
        const url = new URL(address);
        if (/^https?:$/.test(url.protocol) && url.host !== this.options.own_host) return true;
      } catch {
        // Relative: it would ask this server.
      }
    }
    this.left_out.add(address.trim(), kind);
    return false;
  }

  #font(data: Members): boolean {
    if (data["buffer"] === true) return true;
    const source = String(data["fontSource"] ?? "");
    return this.css(source) === source;
  }

  #css_member(of: Members, name: string): void {
    const value = of[name];
    if (typeof value === "string" && (value.includes("(") || value.includes("@"))) of[name] = this.css(value);
  }

  /** CSS without the addresses that may not stay: `none` is valid where a picture may be, nothing else is. */
  css(text: string): string {
    return text
      .replace(/@import\s+(?:url\()?\s*["']?([^"')\s;]+)["']?\s*\)?/gi, (whole, address: string) =>
        this.#may_stay(address, "style") ? whole : "@import none",
      )
      .replace(
        /url\(\s*(?:"([^"]*)"|'([^']*)'|([^)"'\s]*))\s*\)(\s*format\()?/gi,
        (whole, a?: string, b?: string, c?: string, format?: string) => {
          const address = a ?? b ?? c ?? "";
          const kind = format !== undefined || kFontAddress.test(address) ? "font" : "picture";
          return this.#may_stay(address, kind) ? whole : `none${format ?? ""}`;
        },
      );
  }

  /** The node and all below it, without recursion: how deep it is was decided by a stranger. */
  #tree(root: RrwebNode): void {
    const waiting = [root];
    for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
      if (is_object(node.attributes)) {
        this.#attributes(String(node.tagName ?? "").toLowerCase(), node.attributes);
      }
      if (typeof node.textContent === "string" && (node as { isStyle?: boolean }).isStyle) {
        node.textContent = this.css(node.textContent);
      }
      if (!Array.isArray(node.childNodes)) continue;
      const in_style = String(node.tagName ?? "").toLowerCase() === "style";
      for (const child of node.childNodes) {
        if (!is_object(child)) continue;
        if (in_style && typeof child.textContent === "string") child.textContent = this.css(child.textContent);
        waiting.push(child);
      }
    }
  }

  /** `tag` is empty where only a change is known, not the element it is made to. */
  #attributes(tag: string, attributes: Members): void {
    if (tag === "link") this.#link(attributes);
    for (const [name, value] of Object.entries(attributes)) {
      const lower = name.toLowerCase();
      if (kMedia.has(lower) && !this.options.remote) delete attributes[name];
      else if (lower === "style" || lower === "_csstext") this.#style(attributes, name, value);
      else if (typeof value !== "string") continue;
      else if (this.#goes(tag, lower, value)) delete attributes[name];
      else if (kFetched.has(lower)) this.#address(tag, attributes, name, value);
    }
  }

  /** What no recording needs in order to be seen. */
  #goes(tag: string, name: string, value: string): boolean {
    // Handlers run nowhere in a frame without scripts; the browser would complain of each.
    if (kNever.has(name) || name.startsWith("on") || (tag === "base" && name === "href")) return true;
    if (kScripts.has(tag) && name === "src") return true;
    if (kFrames.has(tag) && kFrameSource.has(name)) return true;
    if (tag !== "") return false;
    if (name === "rel") return !/^\s*stylesheet\s*$/i.test(value);
    return name.endsWith("href") && !this.options.remote && !kLocal.test(value);
  }

  /** Only style sheets are fetched; other links are hints that would reach out ahead of time. */
  #link(attributes: Members): void {
    const rel = String(attributes["rel"] ?? "");
    if (typeof attributes["_cssText"] === "string") delete attributes["href"];
    else if (!/^\s*(alternate\s+)?stylesheet\s*$/i.test(rel)) {
      delete attributes["href"];
      delete attributes["rel"];
    }
  }

  #style(attributes: Members, name: string, value: unknown): void {
    if (typeof value === "string") attributes[name] = this.css(value);
    else if (is_object(value)) {
      for (const [property, set] of Object.entries(value)) {
        if (typeof set === "string") value[property] = this.css(set);
        else if (Array.isArray(set) && typeof set[0] === "string") set[0] = this.css(set[0]);
      }
    }
  }

  #address(tag: string, attributes: Members, name: string, value: string): void {
    const lower = name.toLowerCase();
    if (lower.endsWith("href") && tag !== "" && !kFetchesHref.has(tag)) return;
    const kind: Kind = tag === "link" ? "style" : "picture";
    const addresses = lower.endsWith("srcset")
      ? value.split(/,\s+/).map((part) => part.trim().split(/\s+/)[0] ?? "")
      : [value];
    // All of them are looked at, so that all of them are counted.
    if (addresses.filter((address) => !this.#may_stay(address, kind)).length === 0) return;
    delete attributes[name];
    if (kind === "picture") attributes[kHiddenMark] = "";
  }
}

/** Where a picture was left out its place is shown, so that the page does not look broken by itself. */
export const kLeftOutStyle = `[${kHiddenMark}]:is(img, video, input) { background: repeating-linear-gradient(135deg, rgb(128 140 138 / 18%) 0 8px, rgb(128 140 138 / 30%) 8px 16px) !important; outline: 1px dashed rgb(128 140 138 / 60%); outline-offset: -1px; min-width: 16px; min-height: 16px; }`;
