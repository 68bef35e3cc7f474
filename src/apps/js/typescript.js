// TypeScript as the engine runs it: sucrase takes the types out, and this is what sucrase does not know or does
// differently from PostHog's Babel. Lines stay where they are, so that errors name them as they were written.
//
// Namespaces become functions before sucrase sees them (it would leave out their values):
//   export namespace A { export const x = 1 }
//   var A; (function (A) { Object.defineProperty(A, "x", { get: () => x, … }) … })(A || (A = {})); export { A };
// What a namespace exports are accessors of its own variables, so whatever its code says of them stays as it is.
//
// Fields of classes without a value are types. Where a constructor's parameters are fields, they have their values
// before the other fields' are made.
(function (sucrase) {
  "use strict";

  const tokenizer = sucrase.load("parser/tokenizer/index");
  const base = sucrase.load("parser/traverser/base");
  const { TokenType: T } = sucrase.load("parser/tokenizer/types");
  const { ContextualKeyword: K } = sucrase.load("parser/tokenizer/keywords");
  const { parse } = sucrase.load("parser/index");

  // sucrase reads a namespace as a type: `>>` would be two signs in it, and what is a type inside could not be told.
  const pushTypeContext = tokenizer.pushTypeContext;
  tokenizer.pushTypeContext = function (existing) {
    const { tokens, isType, type } = base.state;
    const last = tokens[tokens.length - 1];
    const names = last && (last.contextualKeyword === K._namespace || last.contextualKeyword === K._module);
    if (!isType && names && last.type === T.name && type === T.name) return isType;
    return pushTypeContext(existing);
  };

  const classes = sucrase.load("util/getClassInfo");
  const classInfo = classes.default;
  let typed = false; // the file is TypeScript
  classes.default = function (root, tokens, names, as_is) {
    const plain = classInfo(root, tokens, names, as_is);
    if (!typed) return plain;
    const whole = classInfo(root, tokens, names, false);
    // Static fields stay in their order with static blocks.
    const isStatic = (field) => whole.staticInitializerNames.includes(field.initializerName);
    const fields = { fields: whole.fields.filter((one) => !isStatic(one)), instanceInitializerNames: whole.instanceInitializerNames };
    // Semicolons stay, and what stands between a value and a sign that would go on with it.
    const goes = ({ start, end }) => tokens.tokens[start].type !== T.semi && ![T.star, T.bracketL].includes(tokens.tokens[end].type);
    return { ...plain, ...(plain.constructorInitializerStatements.length > 0 ? fields : {}), rangesToRemove: whole.rangesToRemove.filter(goes) };
  };

  const OPENS = new Set([T.braceL, T.dollarBraceL, T.braceBarL, T.parenL, T.bracketL]);
  const CLOSES = new Set([T.braceR, T.braceBarR, T.parenR, T.bracketR]);
  const BEGINS = new Set([T._function, T._class, T._enum, T._abstract]);

  function withoutNamespaces(source, jsx) {
    const { tokens } = parse(source, jsx, true, false);
    const text = (i) => source.slice(tokens[i].start, tokens[i].end);
    const edits = []; // [start, end, text]
    const blank = (from, to) => edits.push([from, to, source.slice(from, to).replace(/[^\n]/g, " ")]);

    function refuse(i, what) {
      const before = source.slice(0, tokens[i].start);
      const line = before.split("\n").length;
      throw new SyntaxError(`${what} (${line}:${before.length - before.lastIndexOf("\n")})`);
    }
    const fresh = (i) => i === 0 || /\n/.test(source.slice(tokens[i - 1].end, tokens[i].start));

    /** The token that closes what the token `from` opens. */
    function closing(from) {
      let depth = 0;
      for (let i = from; i < tokens.length; i++) {
        if (OPENS.has(tokens[i].type)) depth++;
        else if (CLOSES.has(tokens[i].type) && --depth === 0) return i;
      }
      return tokens.length - 1;
    }

    /** A namespace that begins at the token i; null: there is none. */
    function namespaceAt(i) {
      const token = tokens[i];
      if (token.isType || token.type !== T.name) return null;
      if (token.contextualKeyword !== K._namespace && token.contextualKeyword !== K._module) return null;
      if (tokens[i + 1]?.type !== T.name || fresh(i + 1)) return null;
      const names = [text(i + 1)];
      let at = i + 2;
      for (; tokens[at]?.type === T.dot; at += 2) names.push(text(at + 1));
      if (tokens[at]?.type !== T.braceL) return null;
      return { first: i, names, open: at, close: closing(at) };
    }

    /** Statements between two tokens, as far as they matter: what is exported, and namespaces. */
    function statements(from, to) {
      const out = [];
      for (let i = from; i < to; i++) {
        const found = namespaceAt(i);
        if (found) {
          const exported = i > from && tokens[i - 1].type === T._export;
          out.push({ kind: "namespace", exported: exported ? i - 1 : -1, ...found });
          i = found.close;
        } else if (OPENS.has(tokens[i].type)) {
          i = closing(i);
        } else if (tokens[i].type === T._export && !tokens[i].isType && !namespaceAt(i + 1)) {
          out.push({ kind: "export", first: i });
        } else if (tokens[i].type === T._import && !tokens[i].isType && tokens[i + 2]?.type === T.eq) {
          out.push({ kind: "alias", first: i });
        }
      }
      return out;
    }

    const isEmpty = (found) => {
      for (let i = found.open + 1; i < found.close; i++) {
        if (tokens[i].isType || tokens[i].type === T.semi) continue;
        const inner = namespaceAt(tokens[i].type === T._export ? i + 1 : i);
        if (!inner || !isEmpty(inner)) return false;
        i = inner.close;
      }
      return true;
    };

    /** The names that a declaration with const, let or var makes. */
    function declared(from, to) {
      const names = [];
      let inside = 0;
      for (let i = from + 1; i < to; i++) {
        const token = tokens[i];
        if (OPENS.has(token.type)) inside++;
        else if (CLOSES.has(token.type)) inside--;
        else if (inside === 0) {
          if (token.type === T.semi || token.type === T._export) break;
          if (i > from + 1 && [T._const, T._let, T._var].includes(token.type)) break;
          if (fresh(i) && (BEGINS.has(token.type) || namespaceAt(i))) break;
        }
        const declares = tokenizer.isDeclaration(token) && token.scopeDepth === tokens[from].scopeDepth;
        if (declares && !token.isType) names.push(text(i));
      }
      return names;
    }

    /** {names, writable} of the export at the token i, without its `export`. */
    function exportedBy(i, to) {
      let at = i + 1;
      const type = tokens[at].type;
      if (type === T._const && tokens[at + 1].type !== T._enum) return { names: declared(at, to), writable: false };
      if (type === T._let || type === T._var) return { names: declared(at, to), writable: true };
      while ([T._const, T._abstract, T._async].includes(tokens[at].type) || text(at) === "async") at++;
      if (tokens[at].type === T._function && tokens[at + 1].type === T.star) at++;
      if ([T._function, T._class, T._enum, T.star].includes(tokens[at].type)) return { names: [text(at + 1)], writable: false };
      if (tokens[at].type === T._import) return { names: [text(at + 1)], writable: false };
      refuse(i, "a namespace exports what it declares: write export before the declaration");
    }

    const scopes = new Map(); // what a scope's namespaces have exported so far, by their paths

    function rewrite(from, to, path, others, seen) {
      for (const one of statements(from, to)) {
        if (one.kind === "export") {
          if (path === "") {
            // export import A = B.C
            const alias = tokens[one.first + 1].type === T._import && tokens[one.first + 3]?.type === T.eq;
            if (alias) edits.push([tokens[one.first + 1].start, tokens[one.first + 1].end, "const "]);
            continue;
          }
          edits.push([tokens[one.first].start, tokens[one.first].end, "      "]);
        } else if (one.kind === "alias") {
          if (path !== "") edits.push([tokens[one.first].start, tokens[one.first].end, "const "]);
        } else if (isEmpty(one)) {
          blank(tokens[one.exported < 0 ? one.first : one.exported].start, tokens[one.close].end);
        } else {
          write(one, path, others, seen);
        }
      }
    }

    function write(one, path, others, seen) {
      const [outer, ...rest] = one.names;
      const begin = tokens[one.exported < 0 ? one.first : one.exported].start;
      // Beside a class, a function or an enum of its name, and the second time, it has its variable.
      const there = others.has(outer) || seen.has(outer);
      seen.add(outer);
      let head = `${there ? ";" : `var ${outer}; `}(function (${outer}) { `;
      let tail = `})(${others.has(outer) ? outer : `${outer} || (${outer} = {})`});`;
      if (!there && path === "" && one.exported >= 0) tail += ` export { ${outer} };`;
      let where = `${path}.${outer}`;
      for (const [at, name] of rest.entries()) {
        const parent = at === 0 ? outer : rest[at - 1];
        head += `(function (${name}) { `;
        tail = `})(${parent}.${name} || (${parent}.${name} = {})); ${tail}`;
        where += `.${name}`;
      }
      const inside = rest.at(-1) ?? outer;
      const members = statements(one.open + 1, one.close);
      const here = classesIn(one.open + 1, one.close);
      const known = scopes.get(where) ?? new Set();
      const now = new Map();
      const inner = new Set(); // namespaces whose variables are in the head
      for (const member of members) {
        if (member.kind === "export") {
          const { names, writable } = exportedBy(member.first, one.close);
          for (const name of names) now.set(name, writable);
        } else if (member.kind === "namespace" && member.exported >= 0 && !isEmpty(member)) {
          if (!here.has(member.names[0])) head += `var ${member.names[0]} = ${inside}.${member.names[0]}; `;
          now.set(member.names[0], !here.has(member.names[0]));
          inner.add(member.names[0]);
        }
      }
      const mine = new Set([...here, ...namesIn(one.open + 1, one.close)]);
      for (const name of known) if (!now.has(name) && !mine.has(name)) head += `var ${name} = ${inside}.${name}; `;
      for (const [name, writable] of now) {
        head += `Object.defineProperty(${inside}, "${name}", { enumerable: true, configurable: true, get: () => ${name}` +
          `${writable ? `, set: (to) => { ${name} = to; }` : ""} }); `;
        known.add(name);
      }
      scopes.set(where, known);
      edits.push([begin, tokens[one.open].end, head + source.slice(begin, tokens[one.open].end).replace(/[^\n]/g, "")]);
      edits.push([tokens[one.close].start, tokens[one.close].end, tail]);
      rewrite(one.open + 1, one.close, where, here, inner);
    }

    /** Classes, functions and enums that are declared between two tokens, outside all brackets. */
    function classesIn(from, to) {
      const out = new Set();
      for (let i = from; i < to; i++) {
        if (tokens[i].isType) continue;
        if ([T._class, T._function, T._enum].includes(tokens[i].type)) {
          const name = tokens[i + 1]?.type === T.star ? i + 2 : i + 1;
          if (tokens[name]?.type === T.name) out.add(text(name));
        }
        if (OPENS.has(tokens[i].type)) i = closing(i);
      }
      return out;
    }
    function namesIn(from, to) {
      const out = new Set();
      for (let i = from; i < to; i++) {
        if (OPENS.has(tokens[i].type)) i = closing(i);
        else if ([T._const, T._let, T._var].includes(tokens[i].type)) for (const name of declared(i, to)) out.add(name);
      }
      return out;
    }

    /** `enum A { ["b"] = 1 }`, whose brackets sucrase takes for members' names. */
    function unbracket(i) {
      for (let at = i + 1; at + 2 < tokens.length && tokens[at].type !== T.braceR; at++) {
        if (text(at) === "[" && [T.braceL, T.comma].includes(tokens[at - 1].type) && text(at + 2) === "]") {
          for (const one of [at, at + 2]) blank(tokens[one].start, tokens[one].end);
        }
      }
    }

    rewrite(0, tokens.length, "", classesIn(0, tokens.length), new Set());
    for (let i = 0; i + 2 < tokens.length; i++) {
      if (tokens[i].type === T._enum && tokens[i + 2].type === T.braceL) unbracket(i + 2);
    }
    let out = "", at = 0;
    for (const [start, end, put] of edits.sort((a, b) => a[0] - b[0])) {
      out += source.slice(at, start) + put;
      at = end;
    }
    return out + source.slice(at);
  }

  // Nothing here or in PostHog's Babel runs them: told where one stands, not as a sign that came unexpectedly.
  const DECORATOR = /(?:^|[\s;{}(])@[\p{L}_$(]/u;
  function refuseDecorators(source, jsx) {
    const { tokens } = parse(source, jsx, typed, false);
    const found = tokens.find((one) => one.type === T.at && !one.isType);
    if (!found) return;
    const before = source.slice(0, found.start);
    throw new SyntaxError("decorators are not run, neither here nor by PostHog: call the function yourself " +
      "(C.prototype.name = decorate(C.prototype.name) behind the class), or let tsc write JavaScript and deploy that " +
      `(${before.split("\n").length}:${before.length - before.lastIndexOf("\n")})`);
  }

  /** The code that runs; a SyntaxError's message ends in "(line:column)". */
  return function (source, options, typescript) {
    typed = typescript;
    if (DECORATOR.test(source)) refuseDecorators(source, options.transforms.includes("jsx"));
    if (typed && /\b(namespace|module|enum|import)\b/.test(source)) source = withoutNamespaces(source, options.transforms.includes("jsx"));
    return sucrase.transform(source, options).code;
  };
})
