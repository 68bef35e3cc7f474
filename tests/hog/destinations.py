"""Seeded programs in the style of PostHog's destination templates: bodies and headers built from an event, loops over
inputs, closures, dates, regular expressions, hashes, answers that are looked at, errors that are thrown.

What both machines are known to do differently (docs/compat/hog.md) is never generated.
"""
import random

from generate import quote

GLOBALS = {
    "project": {"id": 1, "name": "Default", "url": "https://eu.example.com/project/1"},
    "event": {"uuid": "0190a1b2-0000-7000-8000-1234567890ab", "event": "$pageview", "distinct_id": "user-42", "elements_chain": "",
              "timestamp": "2024-05-06T07:08:09.123Z", "url": "https://eu.example.com/events/1",
              "properties": {"$current_url": "https://shop.example/p/12?utm_source=news&gclid=ab%20c#top", "$browser": "Chrome",
                             "$ip": "1.2.3.4", "price": 19.99, "quantity": "3", "tags": ["new", "Sale", None, "zürich"], "currency": "eur",
                             "items": [{"sku": "A-1", "price": 5, "qty": 2}, {"sku": "B-2", "price": "7.5"}], "empty": "", "none": None,
                             "nested": {"deep": {"value": [1, {"k": "v"}]}}, "email": "Ann.Lee+x@Example.com", "$set": {"plan": "pro"},
                             "json": "{\"a\":{\"b\":[1,2,{\"c\":null}]},\"t\":\"x\"}", "when": "2024-02-29T23:30:00Z", "ms": 1714979289123}},
    "person": {"id": "p1", "name": "Ann", "url": "https://eu.example.com/person/p1",
               "properties": {"email": "ann@example.com", "name": "Ann Lee", "phone": "+49 (30) 123-45", "age": 33, "vip": True, "note": "it's \"ok\""}},
    "groups": {"company": {"id": "acme", "properties": {"name": "ACME & Söhne"}}},
    "inputs": {"url": "https://hooks.example/in", "method": "POST", "headers": {"Content-Type": "application/json", "X-Empty": "", "X-Num": "5"},
               "properties": {"plan": "pro", "count": 3, "blank": "", "gone": None, "list": [1, 2]}, "secret": "s3cret", "debug": False,
               "include_all_properties": True, "mapping": {"email": "mail", "price": "value", "missing": "nothing"}, "limit": "2"}}

TEXTS = ["event.event", "event.distinct_id", "event.properties.$browser", "event.properties.currency", "event.properties.email", "event.properties.$current_url",
         "person.name", "person.properties.phone", "person.properties.note", "inputs.secret", "inputs.url", "event.timestamp", "event.properties.quantity",
         "toString(event.properties.price)", "event.uuid", "groups.company.properties.name", "project.name"]
MAYBE = ["event.properties.none", "event.properties.empty", "event.properties.missing", "person.properties.missing.deep", "inputs.properties.gone",
         "event.properties.nested?.deep?.value", "event.properties.nested.deep.value[2].k", "event.properties.items[1].sku", "event.properties.items[9].sku",
         "event.properties?.['$ip']", "inputs.headers['X-Empty']", "event.properties.tags.2", "groups.company.id", "event.properties.$set.plan", "null"]
NUMBERS = ["event.properties.price", "toInt(event.properties.quantity)", "toFloat(event.properties.quantity)", "person.properties.age", "inputs.properties.count",
           "length(event.properties.tags)", "event.properties.ms", "length(event.properties.email)", "toInt(inputs.limit)", "1.5", "0", "100", "-3"]
LISTS = ["event.properties.tags", "event.properties.items", "inputs.properties.list", "keys(inputs.headers)", "values(inputs.properties)",
         "splitByString('&', event.properties.$current_url)", "splitByString('/', event.properties.$current_url, 3)", "range(4)",
         "splitByString(' ', person.properties.name)", "keys(event.properties)", "[event.event, person.name]", "(event.event, 2, null)"]
MAPS = ["event.properties", "person.properties", "inputs.headers", "inputs.properties", "inputs.mapping", "event.properties.nested.deep",
        "jsonParse(event.properties.json)", "groups.company", "event.properties.$set"]
PATTERNS = ["^https?://", "utm_source=([^&#]+)", "[A-Z]", "(\\\\d+)", "@example\\\\.com$", "^\\\\$", "gclid=([a-z]+)", "[^a-z]+", "(a|e).", "\\\\s"]
LIKES = ["%page%", "$%", "%.com", "_ser-%", "%EXAMPLE%", "ann%", "%news_gclid%"]
DATES = ["toDateTime(event.timestamp)", "toDateTime(event.properties.when)", "fromUnixTimestampMilli(event.properties.ms)", "fromUnixTimestamp(1714979289)",
         "toDateTime(event.properties.when, 'Europe/Berlin')", "toTimeZone(toDateTime(event.timestamp), 'America/New_York')",
         "dateAdd('day', 30, toDateTime(event.timestamp))", "dateAdd('month', 1, toDateTime('2024-01-31'))", "dateTrunc('hour', toDateTime(event.timestamp))"]
FORMATS = ["%Y-%m-%dT%H:%i:%S", "%Y/%m/%d", "%d.%m.%Y %H:%i", "%b %e, %Y", "%W %j", "%H", "%Y-%m-%d", "%s", "%a %e %M"]


class Program:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.count, self.maps, self.lists, self.functions = 0, [], [], []
        self.depth = 0

    def fresh(self, kind):
        self.count += 1
        return f"{kind}{self.count}"

    def pick(self, *of):
        return self.r.choice(of)

    # ---- values ----

    def text(self):
        self.depth += 1
        try:
            if self.depth > 4 or self.r.random() < 0.25:
                return self.r.choice(TEXTS)
            t, n, m = self.text, self.number, self.maybe
            return self.r.choice([
                lambda: f"lower({t()})", lambda: f"upper({t()})", lambda: f"trim(toString({t()}))", lambda: f"concat({t()}, ' ', {m()})",
                lambda: f"f'{self.words()}{{{t()}}}: {{{m()}}}'", lambda: f"f'{{{n()}}}{self.words()}'", lambda: f"({m()} ?? {t()})",
                lambda: f"ifNull({m()}, {t()})", lambda: f"coalesce({m()}, {m()}, {t()})", lambda: f"replaceAll({t()}, {self.piece()}, {self.piece()})",
                lambda: f"replaceOne({t()}, {self.piece()}, {self.pick(chr(39) + chr(39), quote('$&-$&'), quote('_'))})", lambda: f"substring({t()}, {self.pick(1, 2, 5)}, {self.pick(1, 3, 50)})",
                lambda: f"base64Encode({t()})", lambda: f"base64Decode(base64Encode({t()}))", lambda: f"encodeURLComponent({t()})",
                lambda: f"decodeURLComponent(encodeURLComponent({t()}))", lambda: f"sha256Hex({t()})", lambda: f"md5Hex({t()})",
                lambda: f"sha256HmacChainHex([inputs.secret, {t()}, {t()}])", lambda: f"sha256({t()}, {self.pick(quote('hex'), quote('base64'), quote('base64url'))})",
                lambda: f"jsonStringify({self.any()})", lambda: f"toString({self.any()})", lambda: f"extractRegex({t()}, {self.pattern()})",
                lambda: f"arrayStringConcat({self.strings()}, {self.pick(quote(', '), quote('&'), quote(''))})", lambda: f"formatDateTime({self.r.choice(DATES)}, {quote(self.r.choice(FORMATS))})",
                lambda: f"formatDateTime({self.r.choice(DATES)}, {quote(self.r.choice(FORMATS))}, {self.pick(quote('UTC'), quote('Asia/Tokyo'))})",
                lambda: f"toString({self.r.choice(DATES)})", lambda: f"({self.bool()} ? {t()} : {t()})", lambda: f"if({self.bool()}, {t()}, {t()})",
                lambda: f"multiIf({self.bool()}, {t()}, {self.bool()}, {t()}, {t()})", lambda: f"ifNull(splitByString({self.piece()}, {t()})[{self.pick(1, 2, -1)}], 'x')",
                lambda: f"typeof({self.any()})", lambda: f"reverse({t()})", lambda: f"ifNull(tryDecodeURLComponent({t()}), 'bad')", lambda: f"({t()} || {t()})",
                lambda: f"JSONExtractString(event.properties.json, {self.pick(quote('t'), quote('a'), quote('x'))}) ?? 'no'", lambda: self.call(),
                lambda: f"ifNull({self.map()}[{self.pick(quote('plan'), quote('email'), quote('X-Num'), quote('zz'))}], 'none')", lambda: f"{self.pattern(True)}",
            ])()
        finally:
            self.depth -= 1

    def words(self):
        """A piece of an f-string."""
        return self.pick("Event ", "it\\'s ", "-> ", "Bearer ", "a\\{b ", "ünï ", "")

    def piece(self):
        return quote(self.pick(" ", "/", "&", "=", "$", "e", "example", "-", ".", "//", "ü"))

    def pattern(self, extract=False):
        text = quote(self.r.choice(PATTERNS)).replace("\\" * 4, "\\" * 2)
        return f"extractRegex(event.properties.$current_url, {text})" if extract else text

    def number(self):
        self.depth += 1
        try:
            if self.depth > 4 or self.r.random() < 0.3:
                return self.r.choice(NUMBERS)
            n = self.number
            return self.r.choice([
                lambda: f"({n()} {self.pick('+', '-', '*', '/', '%')} {n()})", lambda: f"round({n()})", lambda: f"floor({n()})", lambda: f"toInt({self.text()})",
                lambda: f"toFloat({self.text()})", lambda: f"toUnixTimestamp({self.r.choice(DATES)})", lambda: f"toUnixTimestampMilli({self.r.choice(DATES)})",
                lambda: f"length({self.text()})", lambda: f"length({self.list()})", lambda: f"indexOf({self.list()}, {self.text()})", lambda: f"min2({n()}, {n()})",
                lambda: f"position({self.text()}, {self.piece()})", lambda: f"({self.bool()} ? {n()} : {n()})", lambda: f"ifNull({self.maybe()}, {n()})",
                lambda: f"arrayReduce((acc, item) -> acc + (item.price ?? 1) * (item.qty ?? 1), event.properties.items, {n()})",
                lambda: f"arrayCount(x -> x {self.pick('==', '!=', 'ilike')} {self.text()}, {self.strings()})", lambda: f"toYYYYMM({self.r.choice(DATES)})",
                lambda: f"dateDiff('day', {self.r.choice(DATES)}, {self.r.choice(DATES)})", lambda: f"extract('{self.pick('year', 'month', 'day', 'hour')}', {self.r.choice(DATES)})",
                lambda: f"JSONLength(event.properties.json, 'a', 'b')", lambda: f"JSONExtractInt(event.properties.json, 'a', 'b', {self.pick(1, 2, 3, -1)})"])()
        finally:
            self.depth -= 1

    def bool(self):
        self.depth += 1
        try:
            t, b = self.text, self.bool
            if self.depth > 4:
                return self.pick("true", "false", "inputs.debug", "person.properties.vip")
            return self.r.choice([
                lambda: f"empty({self.maybe()})", lambda: f"not empty({self.maybe()})", lambda: f"notEmpty({self.any()})", lambda: f"({t()} == {t()})", lambda: f"({t()} != {self.maybe()})",
                lambda: f"({self.number()} {self.pick('>', '>=', '<', '<=', '==')} {self.number()})", lambda: f"({t()} {self.pick('like', 'ilike', 'not like', 'not ilike')} {quote(self.r.choice(LIKES))})",
                lambda: f"({t()} {self.pick('=~', '!~', '=~*', '!~*')} {self.pattern()})", lambda: f"match({t()}, {self.pattern()})", lambda: f"({t()} in {self.strings()})",
                lambda: f"({t()} not in [{t()}, {t()}])", lambda: f"({quote(self.pick('e', 'Ann', '$'))} in {t()})", lambda: f"has({self.strings()}, {t()})", lambda: f"startsWith({t()}, {self.piece()})",
                lambda: f"({b()} and {b()})", lambda: f"({b()} or {b()})", lambda: f"not ({b()})", lambda: f"arrayExists(x -> x =~ {self.pattern()}, {self.strings()})",
                lambda: f"isValidJSON({t()})", lambda: f"({self.maybe()} is {self.pick('null', 'not null')})", lambda: f"isIPAddressInRange(event.properties.$ip, '1.2.0.0/16')",
                lambda: f"typeof({self.any()}) in ['object', 'array', 'string']", lambda: f"({self.number()} between {self.number()} and {self.number()})",
                lambda: f"JSONHas(event.properties.json, 'a', {self.pick(quote('b'), quote('z'))})", lambda: "inputs.debug", lambda: "inputs.include_all_properties"])()
        finally:
            self.depth -= 1

    def maybe(self):
        return self.r.choice(MAYBE)

    def strings(self):
        return self.pick("keys(inputs.headers)", "keys(event.properties)", f"[{self.text()}, {self.text()}]", "splitByString(',', 'a,b,user-42')",
                         f"arrayMap(x -> concat(toString(x), {quote(self.pick('!', '', '-'))}), {self.list()})", "arraySort(keys(person.properties))",
                         f"splitByString({self.piece()}, {self.r.choice(TEXTS)})")

    def list(self):
        self.depth += 1
        try:
            if self.depth > 3 or self.r.random() < 0.4:
                return self.r.choice(LISTS + self.lists)
            return self.r.choice([
                lambda: f"arrayFilter(x -> {self.pick('not empty(x)', 'x', 'x != null', 'length(toString(x)) > 2')}, {self.list()})",
                lambda: f"arrayMap(x -> {self.pick('toString(x)', '[x]', 'x ?? 0', 'jsonStringify(x)', 'typeof(x)')}, {self.list()})",
                lambda: f"arrayPushBack({self.list()}, {self.any()})", lambda: f"arrayPushFront({self.list()}, {self.text()})", lambda: f"arrayReverse({self.list()})",
                lambda: f"[{self.any()}, {self.any()}]", lambda: f"tuple({self.text()}, {self.number()})", lambda: f"arrayPopBack({self.list()})", lambda: self.strings(),
                lambda: "arrayMap(item -> item.price * (item.qty ?? 1), event.properties.items)", lambda: "arrayMap(item -> {'id': item.sku, 'n': item?.qty ?? 1}, event.properties.items)"])()
        finally:
            self.depth -= 1

    def map(self):
        return self.r.choice(MAPS + self.maps)

    def any(self):
        return self.r.choice([self.text, self.number, self.bool, self.maybe, self.list, self.map])()

    def literal(self):
        parts = []
        for _ in range(self.r.randint(0, 5)):
            key = quote(self.pick("event", "distinct_id", "email", "value", "$set", "user data", "time", "Content-Type", "n", "1"))
            parts.append(f"{key}: {self.any() if self.r.random() < 0.8 else self.literal()}")
        return "{" + ", ".join(parts) + "}"

    def call(self):
        return f"{self.r.choice(self.functions)}({self.any()})" if self.functions else "'none'"

    # ---- statements ----

    def inner(self, count):
        """Statements whose names are gone behind them."""
        before = len(self.maps), len(self.lists)
        out = " ".join(self.statement(2) for _ in range(count))
        self.maps, self.lists = self.maps[:before[0]], self.lists[:before[1]]
        return out

    def block(self):
        return "{ " + self.inner(self.r.randint(1, 2)) + " }"

    def statement(self, depth=0):
        r = self.r
        roll = r.random()
        if roll < 0.14:
            name = self.fresh("body")
            line = f"let {name} := {self.literal()};"
            self.maps.append(name)
            return line
        if roll < 0.24 and self.maps:
            name = r.choice(self.maps)
            return self.pick(f"{name}.{self.pick('event', 'time', 'extra', 'n')} := {self.any()};", f"{name}[{quote(self.pick('a b', 'X-Id', '$set'))}] := {self.any()};",
                             f"{name}[{self.text()}] := {self.number()};")
        if roll < 0.34:
            k, v, over = self.fresh("key"), self.fresh("value"), self.map()
            target = r.choice(self.maps) if self.maps and r.random() < 0.7 else None
            key = self.pick(k, f"lower({k})", "f'p_{" + k + "}'")
            value = self.pick(v, f"toString({v})", f"typeof({v})", f"{v} ?? 0")
            inner = f"{target}[{key}] := {value};" if target else f"print({k}, {v});"
            wanted = self.pick(f"not empty({v})", f"{v} != null", f"typeof({v}) == 'string'", f"{k} not like '$%'")
            return f"for (let {k}, {v} in {'inputs.mapping' if over == target else over}) {{ if ({wanted}) {{ {inner} }} }}"
        if roll < 0.42:
            v = self.fresh("item")
            return f"for (let {v} in {self.list()}) {{ print({v}, {self.pick(f'typeof({v})', f'{v}?.sku', self.text())}); {self.inner(r.randint(0, 1)) if depth < 2 else ''} }}"
        if roll < 0.5:
            name = self.fresh("list")
            line = f"let {name} := {self.list()};"
            self.lists.append(name)
            return line
        if roll < 0.6:
            return f"if ({self.bool()}) {self.block() if depth < 2 else '{ print(1); }'}" + (f" else {self.block()}" if depth < 2 and r.random() < 0.4 else "")
        if roll < 0.68:
            status = self.pick(200, 201, 400, 404, 500)
            res = self.fresh("res")
            return (f"let {res} := {{'status': {status}, 'body': {self.any()}}}; if ({res}.status >= 400) {{ "
                    + self.pick(f"print(f'Error from api (status {{{res}.status}}): {{{res}.body}}');", f"try {{ throw Error(f'Error ({{{res}.status}}): {{{res}.body}}', {res}) }} catch (e) {{ print(e.type, e.message, e.payload.status) }}")
                    + " }")
        if roll < 0.76:
            throw = self.pick(f"throw Error({self.text()})", f"throw HogError('ApiError', {self.text()}, {self.literal()})", f"throw RetryError({self.text()})", f"print({self.text()})")
            clause = self.pick("catch (e) { print('caught', e.type, e.message, e.payload) }", "catch (e: RetryError) { print('again', e.message) } catch (e) { print('other', e.type) }",
                               "catch { print('any') }")
            return f"try {{ if ({self.bool()}) {{ {throw} }} print('went on') }} {clause}"
        if roll < 0.84 and depth == 0:
            name, p = self.fresh("fn"), self.fresh("arg")
            body = self.pick(f"return concat('<', toString({p}), '>')", f"if (empty({p})) {{ return 'empty' }} return jsonStringify({p})", f"let parts := splitByString('-', toString({p})) return parts[1] ?? 'none'",
                             f"let out := {{}} for (let k, v in {self.map()}) {{ if (v != null) {{ out[k] := v }} }} out.given := {p} return jsonStringify(out)")
            line = f"fun {name}({p}) {{ {body} }}"
            self.functions.append(name)
            return line
        if roll < 0.9 and depth == 0:
            make, count, f = self.fresh("make"), self.fresh("total"), self.fresh("add")
            return (f"fun {make}(start) {{ let {count} := start return (x) -> {{ {count} := {count} + x return {count} }} }} let {f} := {make}({self.number()}); "
                    f"print({f}(1), {f}({self.number()})); print(arrayMap(x -> {f}(x), [1, 2]));")
        return f"print({', '.join(self.any() for _ in range(r.randint(1, 3)))});"

    def source(self):
        lines = [self.statement() for _ in range(self.r.randint(3, 9))]
        return "\n".join(lines) + f"\nreturn {self.pick(self.literal, self.any, self.text)()}"
