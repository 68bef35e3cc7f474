"""Seeded programs in Hog, typed enough that most of them run to their end.

What both machines are known to do differently (docs/compat/hog.md) is never generated: the rest must
agree in result, output and error.
"""
import random

STRINGS = ["", "a", "hello", "Hello World", "it's", "ünïcödé", "a,b,c", "10", "3.5", "true", "null", "x y z",
           "😀 smile", "  pad ", "line\nbreak", "back\\slash", "https://a.example/p?q=1&r=2", "%41%zz", "aGk=",
           "2024-02-29", "2024-03-10 12:34:56.789", "{\"a\":[1,{\"b\":null}]}", "[1,2,3]", "v1.10.2-beta", "Ab", "aB"]
NUMBERS = ["0", "1", "2", "3", "7", "10", "-1", "-5", "2.5", "0.1", "-0.5", "1e3", "1e21", "123456789", "0x1F", "1e-7"]
PATTERNS = ["a", "l+", "^h", "o$", "[a-c]", "(\\\\d+)", "\\\\w+ \\\\w+", "x|y", "(a)(b)?", "[^a]", "."]
LIKES = ["%", "a%", "%b", "_", "H_l%", "%o w%", "a.b", "", "%'%"]
TYPES = ["num", "str", "bool", "nums", "strs", "map", "any"]
GLOBALS = {"event": {"event": "$pageview", "distinct_id": "u1",
                     "properties": {"$browser": "Chrome", "n": 5, "list": [1, "two", None, {"k": [True]}],
                                    "url": "https://a.example/x", "nested": {"deep": {"er": "yes"}}, "10": "ten",
                                    "2": "two", "empty": "", "none": None, "big": 12345678901234567890}},
           "person": {"properties": {"email": "a@b.c", "plan": "pro"}}, "flag": True, "nothing": None, "num": 1.5}


def quote(text):
    out = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{out}'"


class Program:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.scopes = [[]]
        self.functions = []
        self.count = 0
        self.budget = self.r.randint(8, 60)

    # names
    def fresh(self, kind="v"):
        self.count += 1
        return f"{kind}{self.count}"

    def known(self, kind):
        return [n for scope in self.scopes for n, k in scope if k == kind or kind == "any"]

    # expressions
    def expr(self, kind, depth=0):
        self.budget -= 1
        have = self.known(kind)
        if have and self.r.random() < 0.4:
            return self.r.choice(have)
        if depth > 4 or self.budget < 0:
            return self.leaf(kind)
        if self.r.random() < 0.06:
            return f"({self.expr('bool', depth + 1)} ? {self.expr(kind, depth + 1)} : {self.expr(kind, depth + 1)})"
        if self.r.random() < 0.05:
            return f"({self.r.choice(['null', 'nothing', self.expr(kind, depth + 1)])} ?? {self.expr(kind, depth + 1)})"
        return getattr(self, kind)(depth + 1)

    def leaf(self, kind):
        r = self.r
        if kind == "any":
            kind = r.choice(["num", "str", "bool", "nothing", "nums", "map"])
        return {"num": lambda: r.choice(NUMBERS), "str": lambda: quote(r.choice(STRINGS)),
                "bool": lambda: r.choice(["true", "false"]), "nothing": lambda: "null",
                "nums": lambda: "[" + ", ".join(r.choice(NUMBERS) for _ in range(r.randint(0, 4))) + "]",
                "strs": lambda: "[" + ", ".join(quote(r.choice(STRINGS)) for _ in range(r.randint(0, 4))) + "]",
                "map": lambda: "{" + ", ".join(f"{quote(r.choice('abcde'))}: {r.choice(NUMBERS)}"
                                               for _ in range(r.randint(0, 3))) + "}"}[kind]()

    def num(self, d):
        r, e = self.r, lambda k: self.expr(k, d)
        return r.choice([
            lambda: r.choice(NUMBERS), lambda: f"({e('num')} {r.choice('+-*/%')} {e('num')})",
            lambda: f"(-{e('num')})".replace("(--", "(- -"), lambda: f"({e('any')} {r.choice('+-*')} {e('num')})",
            lambda: f"length({e('str')})", lambda: f"length({e('nums')})", lambda: f"indexOf({e('nums')}, {e('num')})",
            lambda: f"position({e('str')}, {e('str')})", lambda: f"positionCaseInsensitive({e('str')}, {e('str')})",
            lambda: f"floor({e('num')})", lambda: f"round({e('num')})", lambda: f"min2({e('num')}, {e('num')})",
            lambda: f"ifNull(toInt({e('str')}), {e('num')})", lambda: f"ifNull(toFloat({e('any')}), 1)",
            lambda: f"{e('nums')}[{r.choice(['1', '2', '-1', '9'])}]", lambda: f"{e('map')}.{r.choice('abcde')}",
            lambda: f"arrayCount(x -> x > {e('num')}, {e('nums')})", lambda: "event.properties.n",
            lambda: f"arrayReduce((a, b) -> a + b, {e('nums')}, {e('num')})", lambda: f"minus({e('num')}, {e('num')})",
            lambda: f"JSONLength({quote('[1,2,3]')})", lambda: f"JSONExtractInt({quote(r.choice(STRINGS))}, 'a', 1)",
            lambda: f"multiIf({e('bool')}, {e('num')}, {e('bool')}, {e('num')}, {e('num')})",
            lambda: f"toUnixTimestamp(toDateTime({quote(r.choice(['2024-02-29', '2024-03-10 12:34:56.789']))}))",
            lambda: f"dateDiff('day', toDateTime('2024-01-01'), toDateTime('202{r.randint(0, 9)}-0{r.randint(1, 9)}-15'))",
            lambda: f"toYYYYMM(toDateTime('20{r.randint(10, 40)}-0{r.randint(1, 9)}-1{r.randint(0, 9)}'))",
            lambda: self.call("num", d)])()

    def str(self, d):
        r, e = self.r, lambda k: self.expr(k, d)
        return r.choice([
            lambda: quote(r.choice(STRINGS)), lambda: f"concat({e('str')}, {e('any')})", lambda: f"upper({e('str')})",
            lambda: f"lower({e('str')})", lambda: f"reverse({e('str')})", lambda: f"trim({e('str')})",
            lambda: f"trimLeft({e('str')}, 'a')", lambda: f"trimRight({e('str')}, ' ')", lambda: f"toString({e('any')})",
            lambda: f"substring({e('str')}, {r.randint(-1, 4)}, {r.randint(-1, 5)})", lambda: f"substring({e('str')}, 2)",
            lambda: f"replaceOne({e('str')}, {quote(r.choice(['l', 'a', '', 'o']))}, {quote(r.choice(['', 'X', '$&$&', '$$', '[$`]']))})",
            lambda: f"replaceAll({e('str')}, {quote(r.choice(['l', 'a', ' ', '']))}, {quote(r.choice(['', 'yy', '$&']))})",
            lambda: f"({e('str')} || {e('str')})", lambda: "f'<{" + e('any') + "}>'",
            lambda: f"arrayStringConcat({e('strs')}, {quote(r.choice([',', '', ' - ']))})",
            lambda: f"base64Encode({e('str')})", lambda: f"base64Decode(base64Encode({e('str')}))", lambda: f"encodeURLComponent({e('str')})",
            lambda: f"ifNull(tryDecodeURLComponent({e('str')}), 'bad')", lambda: f"sha256Hex({e('str')})",
            lambda: f"md5({e('str')}, {quote(r.choice(['hex', 'base64', 'base64url']))})", lambda: f"sha1Hex({e('str')})",
            lambda: f"sha256HmacChainHex([{e('str')}, {e('str')}, {e('str')}])", lambda: f"typeof({e('any')})",
            lambda: f"jsonStringify({e('any')})", lambda: f"jsonStringify({e('map')}, {r.randint(0, 3)})",
            lambda: f"extractRegex({e('str')}, {quote(r.choice(PATTERNS)).replace(chr(92) * 4, chr(92) * 2)})",
            lambda: f"ifNull({e('strs')}[{r.choice(['1', '-1', '5'])}], '')", lambda: f"ifNull(event.properties.{r.choice(['url', 'none', '$browser'])}, 'x')",
            lambda: f"ifNull(JSONExtractString({quote(STRINGS[21])}, 'a', 1), 'no')",
            lambda: f"toString(toDateTime({quote(r.choice(['2024-02-29', '2024-03-10 12:34:56.789', 'bad', '2023-02-29']))}, {quote(r.choice(['UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kolkata']))})) ?? 'bad'",
            lambda: f"formatDateTime(toDateTime('2024-0{r.randint(1, 9)}-1{r.randint(0, 9)} 1{r.randint(0, 9)}:05:09', {quote(r.choice(['UTC', 'Asia/Tokyo', 'Europe/London']))}), {quote(r.choice(['%Y-%m-%d', '%H:%i:%S', '%e %b', '%W %j', '%a %M', '%T', '%D', '%V %u', '%z', '%r']))})",
            lambda: f"toString(dateAdd({quote(r.choice(['day', 'hour', 'month', 'minute', 'week', 'year']))}, {r.randint(-40, 40)}, toDateTime('2024-03-30 12:00:00', {quote(r.choice(['UTC', 'Europe/Berlin']))})))",
            lambda: f"toString(dateTrunc({quote(r.choice(['day', 'hour', 'month', 'minute', 'year']))}, toDateTime('2024-03-30 12:34:56.7', {quote(r.choice(['UTC', 'America/New_York']))})))",
            lambda: f"toString(toStartOfWeek(toDateTime('2024-0{r.randint(1, 9)}-2{r.randint(0, 9)} 10:00:00')))",
            lambda: self.call("str", d)])()

    def bool(self, d):
        r, e = self.r, lambda k: self.expr(k, d)
        t = r.choice(["num", "str", "any", "nums"])
        pattern = quote(r.choice(PATTERNS)).replace("\\" * 4, "\\" * 2)
        return r.choice([
            lambda: r.choice(["true", "false"]), lambda: f"({e(t)} {r.choice(['==', '!=', '<', '<=', '>', '>='])} {e(t)})",
            lambda: f"({e('any')} {r.choice(['==', '!='])} {e('any')})", lambda: f"({e('bool')} and {e('any')})",
            lambda: f"({e('any')} or {e('bool')})", lambda: f"(not {e('any')})", lambda: f"({e('num')} in {e('nums')})",
            lambda: f"({e('str')} not in {e('strs')})", lambda: f"({e('str')} {r.choice(['like', 'ilike', 'not like', 'not ilike'])} {quote(r.choice(LIKES))})",
            lambda: f"({e('str')} {r.choice(['=~', '!~', '=~*', '!~*'])} {pattern})", lambda: f"match({e('str')}, {pattern})",
            lambda: f"({e('num')} {r.choice(['', 'not '])}between {e('num')} and {e('num')})", lambda: f"empty({e('any')})",
            lambda: f"notEmpty({e('any')})", lambda: f"isNull({e('any')})", lambda: f"isNotNull({e('any')})",
            lambda: f"startsWith({e('str')}, {e('str')})", lambda: f"has({e('nums')}, {e('num')})", lambda: f"isValidJSON({e('str')})",
            lambda: f"arrayExists(x -> x == {e('str')}, {e('strs')})", lambda: f"equals({e('any')}, {e('any')})",
            lambda: f"less({e('num')}, {e('num')})", lambda: f"isIPAddressInRange({quote(r.choice(['10.1.2.3', '::1', '2001:db8::5', 'x']))}, {quote(r.choice(['10.0.0.0/8', '::/0', '2001:db8::/32', '10.1.2.3/32']))})",
            lambda: f"JSONHas({quote(STRINGS[21])}, 'a', {r.randint(-3, 3)})", lambda: f"({e('any')} is {r.choice(['', 'not '])}null)",
            lambda: f"in({e('num')}, {e('nums')})", lambda: "flag"])()

    def nums(self, d):
        r, e = self.r, lambda k: self.expr(k, d)
        return r.choice([
            lambda: "[" + ", ".join(e("num") for _ in range(r.randint(0, 4))) + "]", lambda: f"range({r.randint(0, 6)})",
            lambda: f"range({r.randint(-2, 3)}, {r.randint(0, 6)})", lambda: f"arrayMap(x -> x * {r.choice(NUMBERS)}, {e('nums')})",
            lambda: f"arrayFilter(x -> {r.choice(['x > 1', 'x', 'x % 2 == 0'])}, {e('nums')})", lambda: f"arrayPushBack({e('nums')}, {e('num')})",
            lambda: f"arrayPushFront({e('nums')}, {e('num')})", lambda: f"arrayPopBack({e('nums')})", lambda: f"arrayPopFront({e('nums')})",
            lambda: f"arraySort({e('nums')})", lambda: f"arrayReverse({e('nums')})", lambda: f"arrayReverseSort({e('nums')})",
            lambda: f"values({e('map')})", lambda: f"keys({e('strs')})", lambda: f"sortableSemver({e('str')})"])()

    def strs(self, d):
        r, e = self.r, lambda k: self.expr(k, d)
        return r.choice([
            lambda: "[" + ", ".join(e("str") for _ in range(r.randint(0, 4))) + "]", lambda: f"keys({e('map')})",
            lambda: f"splitByString({quote(r.choice([',', ' ', 'l', '']))}, {e('str')})",
            lambda: f"splitByString(',', {e('str')}, {r.randint(0, 3)})", lambda: f"arrayMap(x -> concat(x, '!'), {e('strs')})",
            lambda: f"arraySort({e('strs')})", lambda: f"arrayPushBack({e('strs')}, {e('str')})", lambda: f"tuple({e('str')}, {e('str')})",
            lambda: f"({e('str')}, {e('str')})", lambda: f"arrayReverse({e('strs')})"])()

    def map(self, d):
        r, e = self.r, lambda k: self.expr(k, d)
        return r.choice([
            lambda: "{" + ", ".join(f"{quote(r.choice('abcde'))}: {e('num')}" for _ in range(r.randint(0, 4))) + "}",
            lambda: "jsonParse('{\"a\": 1, \"c\": 2.5, \"3\": 4, \"b\": -1}')"])()

    def any(self, d):
        r = self.r
        if r.random() < 0.25:
            return r.choice(["null", "event.properties.list", "event.properties.nested.deep", "event.properties.none", "person.properties.email",
                             "nothing", "num", "event.properties.missing.more", "event.properties.list[4].k", "event.properties.list.2",
                             "[1, 'a', [null, true]]", "{'x': {'y': [1, 'z']}, 1: 2}", "tuple(1)", "(1, 'b')", "Error('boom')",
                             "toDateTime('2024-01-02 03:04:05.678')", "toDate('2024-01-02')", "upper", "(x -> x)", "toIntervalDay(3)",
                             "event.properties.nested?.deep?.er", "event.properties['$browser']", "event.properties.big",
                             "event.properties", "coalesce(null, nothing, 3)", "jsonParse('[1, {\"q\": null}, \"s\"]')"])
        return self.expr(r.choice(["num", "str", "bool", "nums", "strs", "map"]), d)

    def call(self, kind, d):
        fitting = [f for f in self.functions if f[2] == kind]
        if not fitting:
            return self.leaf(kind)
        name, kinds, _ = self.r.choice(fitting)
        return f"{name}({', '.join(self.expr(k, d + 1) for k in kinds)})"

    # statements
    def block(self, depth, loop=False):
        self.scopes.append([])
        out = [self.statement(depth + 1) for _ in range(self.r.randint(1, 3))]
        self.scopes.pop()
        return "{ " + " ".join(out) + " }"

    def statement(self, depth=0):
        r = self.r
        if self.budget < 0 or depth > 3:
            return f"print({self.leaf('any')});"
        roll = r.random()
        if roll < 0.3:
            kind, name = r.choice(TYPES), self.fresh()
            value = self.expr(kind)
            self.scopes[-1].append((name, kind))
            return f"let {name} := {value};"
        if roll < 0.42:
            kind = r.choice(TYPES[:-1])
            have = [n for scope in self.scopes for n, k in scope if k == kind]
            have = [n for n in have if not n.startswith("i")]  # what loops count with
            if have:
                return f"{r.choice(have)} := {self.expr(kind)};"
        if roll < 0.5:
            have = [n for scope in self.scopes for n, k in scope if k == "map"]
            if have:
                name = r.choice(have)
                return r.choice([f"{name}.{r.choice('abcxyz')} := {self.expr('num')};", f"{name}[{quote(r.choice('abc'))}] := {self.expr('num')};"])
        if roll < 0.6:
            return f"print({', '.join(self.expr('any') for _ in range(r.randint(1, 3)))});"
        if roll < 0.7:
            tail = f" else {self.block(depth)}" if r.random() < 0.5 else ""
            return f"if ({self.expr('any')}) {self.block(depth)}{tail}"
        if roll < 0.76:
            i = self.fresh("i")
            self.scopes.append([(i, "num")])
            body = self.block(depth)
            self.scopes.pop()
            return f"for (let {i} := 0; {i} < {r.randint(0, 4)}; {i} := {i} + 1) {{ print('round') let c{i} := {i} {body} }}"
        if roll < 0.84:
            k, v, kind = self.fresh("k"), self.fresh("v"), r.choice(["nums", "strs", "map"])
            over = self.expr(kind)
            keyed = r.random() < 0.4
            self.scopes.append([(v, "str" if kind == "strs" else "num")] + ([(k, "any")] if keyed else []))
            body = self.block(depth)
            self.scopes.pop()
            return f"for (let {k + ', ' if keyed else ''}{v} in {over}) {body}"
        if roll < 0.92:
            thrown = r.choice(["Error", "RetryError", "Custom", None])
            throw = "" if thrown is None else (f"throw HogError('Custom', {self.expr('str')}, {self.expr('map')})" if thrown == "Custom" else f"throw {thrown}({quote(r.choice(STRINGS[1:8]))})")
            if throw and r.random() < 0.5:
                throw = f"if ({self.expr('bool')}) {{ {throw} }}"
            clause = r.choice(["catch (e) { print(e.type, e.message, e.payload) }", "catch (err: Custom) { print(err.payload) } catch (e) { print('other', e.message) }",
                               "catch (e: RetryError) { print('retry') }", "catch { print('any') }"])
            self.scopes.append([])
            tried = self.statement(depth + 1)
            self.scopes.pop()
            return f"try {{ {tried} {throw} }} {clause}"
        if depth == 0 and len(self.functions) < 4:
            return self.function()
        return f"let {self.fresh('c')} := {self.expr('num')};"

    def function(self):
        name, kinds, kind = self.fresh("f"), [self.r.choice(["num", "str", "nums"]) for _ in range(self.r.randint(0, 3))], self.r.choice(["num", "str"])
        parameters = [self.fresh("p") for _ in kinds]
        self.scopes.append(list(zip(parameters, kinds)))
        body = " ".join(self.statement(2) for _ in range(self.r.randint(0, 2)))
        value = self.expr(kind)
        self.scopes.pop()
        self.functions.append((name, kinds, kind))
        return f"fun {name}({', '.join(parameters)}) {{ {body} return {value} }}"

    def source(self):
        out = [self.statement() for _ in range(self.r.randint(2, 9))]
        names = [n for n, _ in self.scopes[0]][:8]
        return "\n".join(out) + f"\nreturn [{', '.join(names)}]"
