//! The parser: builds trees with Go's rules and error texts, and resolves functions and variables on the way.
//!
//! Go looks variables up by name at run time; here each one gets a slot. Where Go's parser accepts a name that its executor will
//! not find (declared in the other branch of an `if`), the node has no slot and fails when it is reached, as in Go.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::RandomState;
use smallvec::SmallVec;

use crate::ast::{Branch, Command, Invoke, Node, Number, Operand, OperandKind, Path, Pipe, Pos, Print, Source, Span, Tree, Variable};
use crate::error::ParseError;
use crate::lex::{Kind, Lexer, Token};
use crate::quote::{quote, unquote};
use crate::set::Functions;
use crate::stack::{MAX_NESTING, grow};
use crate::value::Str;

type Parsed<T> = Result<T, ParseError>;

/// Parses a file; gives the tree of the file itself and those it defines, in the order in which Go adds them.
pub(crate) fn parse(name: &str, text: Bytes, functions: &Functions, names: &mut Names) -> Parsed<Vec<Arc<Tree>>> {
    let Some(lexer) = Lexer::new(&text) else {
        let message = format!("a template of {} bytes is too long", text.len());
        return Err(ParseError { file: name.to_owned(), line: 1, message });
    };
    // In charts there is about one of each for so many bytes.
    const BYTES: usize = 48;
    let count = text.len() / BYTES;
    let source = Source {
        name: name.to_owned(),
        text: text.clone(),
        nodes: Vec::with_capacity(count),
        commands: Vec::with_capacity(count),
        operands: Vec::with_capacity(count),
        variables: Vec::new(),
    };
    let mut shared = Shared { lexer, functions, source, names, found: Vec::new(), nesting: 0, unfinished: Unfinished::default() };
    let mut parser = Parser::new(&mut shared);
    let root = parser.file()?;
    parser.add(Str::from(name), root)?;
    let Shared { mut source, found, .. } = shared;
    source.nodes.shrink_to_fit();
    source.commands.shrink_to_fit();
    source.operands.shrink_to_fit();
    source.variables.shrink_to_fit();
    let source = Arc::new(source);
    Ok(found.into_iter().map(|Found { name, root, slots }| Arc::new(Tree { name, source: source.clone(), root, slots })).collect())
}

/// Keeps what templates name, once each.
#[derive(Default)]
pub(crate) struct Names {
    names: HashSet<Str, RandomState>,
    /// By how they are written, with dots.
    paths: HashMap<Box<[u8]>, Path, RandomState>,
    /// By how they are written.
    numbers: HashMap<Box<[u8]>, Arc<Number>, RandomState>,
}

impl Names {
    fn name(&mut self, name: &[u8]) -> Str {
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        let name = Str::from(name);
        self.names.insert(name.clone());
        name
    }

    /// Returns the path that is written `.a.b`.
    fn path(&mut self, written: &[u8]) -> Path {
        if let Some(known) = self.paths.get(written) {
            return known.clone();
        }
        let path: Path = written.split(|c| *c == b'.').skip(1).map(|name| self.name(name)).collect();
        self.paths.insert(written.into(), path.clone());
        path
    }

    fn number(&mut self, written: &[u8], kind: Kind) -> Result<Arc<Number>, String> {
        if let Some(known) = self.numbers.get(written) {
            return Ok(known.clone());
        }
        let number = Arc::new(crate::number::number(written, kind)?);
        self.numbers.insert(written.into(), number.clone());
        Ok(number)
    }
}

struct Shared<'a> {
    lexer: Lexer<'a>,
    functions: &'a Functions,
    source: Source,
    names: &'a mut Names,
    found: Vec<Found>,
    nesting: usize,
    unfinished: Unfinished,
}

/// Is a template that was parsed.
struct Found {
    name: Str,
    root: Span,
    slots: u32,
}

/// Holds the parts of lists that have not ended yet, the innermost last: what belongs to a list then lies together.
#[derive(Default)]
struct Unfinished {
    nodes: Vec<Node>,
    commands: Vec<Command>,
    operands: Vec<Operand>,
}

/// Puts a list that has ended behind those of the file.
fn finish<T>(list: impl IntoIterator<Item = T>, finished: &mut Vec<T>) -> Span {
    let start = finished.len() as Pos;
    finished.extend(list);
    Span { start, end: finished.len() as Pos }
}

struct Parser<'s, 'a> {
    shared: &'s mut Shared<'a>,
    token: [Token; 3],
    peek_count: usize,
    /// Where the action starts that is read.
    action: Option<Token>,
    range_depth: usize,
    /// Names as Go's parser knows them; they outlive the branch in which they were declared.
    names: Vec<Str>,
    /// What Go's executor will have on its stack.
    scope: Vec<Str>,
    slots: u32,
}

enum End {
    End,
    /// An `{{else}}`, or the start of `{{else if}}` and `{{else with}}`.
    Else,
}

impl End {
    fn printed(&self) -> &'static str {
        match self {
            End::End => "{{end}}",
            End::Else => "{{else}}",
        }
    }
}

impl<'s, 'a> Parser<'s, 'a> {
    fn new(shared: &'s mut Shared<'a>) -> Self {
        let dollar = Str::from("$");
        Parser {
            shared,
            token: [Token::NONE; 3],
            peek_count: 0,
            action: None,
            range_depth: 0,
            names: vec![dollar.clone()],
            scope: vec![dollar],
            slots: 1,
        }
    }

    // Tokens, with Go's three places of look-ahead: errors name the line of the newest token.

    fn next(&mut self) -> Token {
        if self.peek_count > 0 {
            self.peek_count -= 1;
        } else {
            self.token[0] = self.shared.lexer.next_token();
        }
        self.token[self.peek_count]
    }

    fn value(&self, token: Token) -> &'a [u8] {
        self.shared.lexer.value(token)
    }

    fn backup(&mut self) {
        self.peek_count += 1;
    }

    fn backup2(&mut self, first: Token) {
        self.token[1] = first;
        self.peek_count = 2;
    }

    fn backup3(&mut self, second: Token, first: Token) {
        self.token[1] = first;
        self.token[2] = second;
        self.peek_count = 3;
    }

    fn peek(&mut self) -> Token {
        if self.peek_count == 0 {
            self.token[0] = self.shared.lexer.next_token();
            self.peek_count = 1;
        }
        self.token[self.peek_count - 1]
    }

    fn next_non_space(&mut self) -> Token {
        let token = self.peek_non_space();
        self.peek_count -= 1;
        token
    }

    fn peek_non_space(&mut self) -> Token {
        while self.peek().kind == Kind::Space {
            self.peek_count -= 1;
        }
        self.token[self.peek_count - 1]
    }

    // Errors.

    fn error<T>(&self, message: impl Into<String>) -> Parsed<T> {
        Err(ParseError { file: self.shared.source.name.clone(), line: self.shared.lexer.line(self.token[0]), message: message.into() })
    }

    fn unexpected<T>(&self, token: Token, context: &str) -> Parsed<T> {
        let lexer = &self.shared.lexer;
        let mut message = lexer.printed(token);
        if token.kind != Kind::Error {
            return self.error(format!("unexpected {message} in {context}"));
        }
        let started = self.action.map(|action| lexer.line(action)).filter(|line| *line != lexer.line(token));
        if let Some(line) = started {
            if !message.ends_with(" action") {
                message.push_str(" in action");
            }
            message.push_str(&format!(" started at {}:{line}", self.shared.source.name));
        }
        self.error(message)
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parsed<Token> {
        let token = self.next_non_space();
        if token.kind == kind { Ok(token) } else { self.unexpected(token, context) }
    }

    // Trees.

    fn add(&mut self, name: Str, root: Span) -> Parsed<()> {
        let Shared { source, found, .. } = &mut *self.shared;
        let new = Found { name, root, slots: self.slots };
        match found.iter_mut().find(|old| old.name == new.name) {
            None => found.push(new),
            Some(old) if source.is_blank(old.root) => *old = new,
            Some(_) if source.is_blank(new.root) => {}
            Some(_) => return self.error(format!("template: multiple definition of template {}", quote(&new.name))),
        }
        Ok(())
    }

    /// Ends the innermost list of nodes.
    fn finish_nodes(&mut self, start: usize) -> Span {
        let Shared { source, unfinished, .. } = &mut *self.shared;
        finish(unfinished.nodes.drain(start..), &mut source.nodes)
    }

    fn file(&mut self) -> Parsed<Span> {
        let start = self.shared.unfinished.nodes.len();
        loop {
            match self.peek().kind {
                Kind::Eof => return Ok(self.finish_nodes(start)),
                Kind::LeftDelim => {
                    let delim = self.next();
                    if self.next_non_space().kind == Kind::Define {
                        Parser::new(self.shared).definition()?;
                        continue;
                    }
                    self.backup2(delim);
                }
                _ => {}
            }
            if let Some(end) = self.text_or_action()? {
                return self.error(format!("unexpected {}", end.printed()));
            }
        }
    }

    fn definition(&mut self) -> Parsed<()> {
        const CONTEXT: &str = "define clause";
        let token = self.next_non_space();
        let name = self.template_name(token, CONTEXT)?;
        self.expect(Kind::RightDelim, CONTEXT)?;
        let (list, end) = self.item_list()?;
        if matches!(end, End::Else) {
            return self.error(format!("unexpected {} in {CONTEXT}", end.printed()));
        }
        self.add(name, list)
    }

    fn template_name(&mut self, token: Token, context: &str) -> Parsed<Str> {
        if !matches!(token.kind, Kind::String | Kind::RawString) {
            return self.unexpected(token, context);
        }
        self.unquoted(self.value(token))
    }

    fn unquoted(&self, literal: &[u8]) -> Parsed<Str> {
        match literal {
            // Mostly there is nothing to be done.
            [b'"', text @ .., b'"'] if memchr::memchr(b'\\', text).is_none() && std::str::from_utf8(text).is_ok() => Ok(Str::from(text)),
            [b'`', text @ .., b'`'] if memchr::memchr(b'\r', text).is_none() => Ok(Str::from(text)),
            _ => match unquote(literal) {
                Some(text) => Ok(Str::from(text)),
                None => self.error("invalid syntax"),
            },
        }
    }

    fn item_list(&mut self) -> Parsed<(Span, End)> {
        if self.shared.nesting >= MAX_NESTING {
            return self.error(format!("blocks are nested more than {MAX_NESTING} deep"));
        }
        self.shared.nesting += 1;
        let result = grow(|| self.item_list_here());
        self.shared.nesting -= 1;
        result
    }

    fn item_list_here(&mut self) -> Parsed<(Span, End)> {
        let start = self.shared.unfinished.nodes.len();
        while self.peek_non_space().kind != Kind::Eof {
            if let Some(end) = self.text_or_action()? {
                return Ok((self.finish_nodes(start), end));
            }
        }
        self.error("unexpected EOF")
    }

    // Nodes and operands are not handed around: a file has thousands.

    fn node(&mut self, node: Node) {
        self.shared.unfinished.nodes.push(node);
    }

    /// Parses a node, unless that is what ends the list.
    fn text_or_action(&mut self) -> Parsed<Option<End>> {
        let token = self.next_non_space();
        match token.kind {
            Kind::Text => self.node(Node::Text(token.start, token.end)),
            Kind::LeftDelim => {
                self.action = Some(token);
                let end = self.action();
                self.action = None;
                return end;
            }
            _ => return self.unexpected(token, "input"),
        }
        Ok(None)
    }

    fn action(&mut self) -> Parsed<Option<End>> {
        let token = self.next_non_space();
        let node = match token.kind {
            Kind::Block => self.block()?,
            Kind::Break => self.loop_control("break", Node::Break)?,
            Kind::Continue => self.loop_control("continue", Node::Continue)?,
            Kind::Else => {
                if !matches!(self.peek_non_space().kind, Kind::If | Kind::With) {
                    self.expect(Kind::RightDelim, "else")?;
                }
                return Ok(Some(End::Else));
            }
            Kind::End => {
                self.expect(Kind::RightDelim, "end")?;
                return Ok(Some(End::End));
            }
            Kind::If => Node::If(Box::new(self.control("if")?)),
            Kind::Range => Node::Range(Box::new(self.control("range")?)),
            Kind::With => Node::With(Box::new(self.control("with")?)),
            Kind::Template => self.template()?,
            _ => {
                self.backup();
                Node::Action(self.pipeline("command", Kind::RightDelim)?)
            }
        };
        self.node(node);
        Ok(None)
    }

    fn loop_control(&mut self, word: &str, node: Node) -> Parsed<Node> {
        let token = self.next_non_space();
        if token.kind != Kind::RightDelim {
            return self.unexpected(token, &format!("{{{{{word}}}}}"));
        }
        if self.range_depth == 0 {
            return self.error(format!("{{{{{word}}}}} outside {{{{range}}}}"));
        }
        Ok(node)
    }

    fn block(&mut self) -> Parsed<Node> {
        const CONTEXT: &str = "block clause";
        let token = self.next_non_space();
        let name = self.template_name(token, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, Kind::RightDelim)?;
        let mut inner = Parser::new(self.shared);
        let (list, end) = inner.item_list()?;
        if matches!(end, End::Else) {
            return self.error(format!("unexpected {} in {CONTEXT}", end.printed()));
        }
        inner.add(name.clone(), list)?;
        Ok(Node::Template(Box::new(Invoke { pos: token.start, name, pipe: Some(pipe) })))
    }

    fn template(&mut self) -> Parsed<Node> {
        const CONTEXT: &str = "template clause";
        let token = self.next_non_space();
        let name = self.template_name(token, CONTEXT)?;
        let mut pipe = None;
        if self.next_non_space().kind != Kind::RightDelim {
            self.backup();
            pipe = Some(self.pipeline(CONTEXT, Kind::RightDelim)?);
        }
        Ok(Node::Template(Box::new(Invoke { pos: token.start, name, pipe })))
    }

    fn control(&mut self, context: &str) -> Parsed<Branch> {
        let names = self.names.len();
        let scope = self.scope.len();
        let pipe = self.pipeline(context, Kind::RightDelim)?;
        let declared = self.scope.len();
        if context == "range" {
            self.range_depth += 1;
        }
        let (list, end) = self.item_list()?;
        if context == "range" {
            self.range_depth -= 1;
        }
        self.scope.truncate(declared);
        let mut otherwise = None;
        if matches!(end, End::Else) {
            let next = self.peek().kind;
            otherwise = Some(if context == "if" && next == Kind::If {
                self.next();
                let branch = self.nested_control("if")?;
                self.alone(Node::If(Box::new(branch)))
            } else if context == "with" && next == Kind::With {
                self.next();
                let branch = self.nested_control("with")?;
                self.alone(Node::With(Box::new(branch)))
            } else {
                let (list, end) = self.item_list()?;
                if matches!(end, End::Else) {
                    return self.error(format!("expected end; found {}", end.printed()));
                }
                list
            });
        }
        self.names.truncate(names);
        self.scope.truncate(scope);
        Ok(Branch { pos: pipe.pos, pipe, list, otherwise })
    }

    /// Makes a list of one node.
    fn alone(&mut self, node: Node) -> Span {
        let start = self.shared.unfinished.nodes.len();
        self.node(node);
        self.finish_nodes(start)
    }

    fn nested_control(&mut self, context: &str) -> Parsed<Branch> {
        if self.shared.nesting >= MAX_NESTING {
            return self.error(format!("blocks are nested more than {MAX_NESTING} deep"));
        }
        self.shared.nesting += 1;
        let result = grow(|| self.control(context));
        self.shared.nesting -= 1;
        result
    }

    // Pipelines.

    fn pipeline(&mut self, context: &str, end: Kind) -> Parsed<Pipe> {
        let pos = self.peek_non_space().start;
        let (mut variables, assigns) = self.declarations(context)?;
        let start = self.shared.unfinished.commands.len();
        loop {
            let token = self.next_non_space();
            match token.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    self.backup();
                    let command = self.command()?;
                    self.shared.unfinished.commands.push(command);
                }
                _ => return self.unexpected(token, context),
            }
        }
        self.check_pipeline(start, context)?;
        self.resolve(&mut variables, assigns);
        let Shared { source, unfinished, .. } = &mut *self.shared;
        let commands = finish(unfinished.commands.drain(start..), &mut source.commands);
        let variables = finish(variables, &mut source.variables);
        Ok(Pipe { pos, assigns, variables, commands })
    }

    /// Parses the variables before `:=` or `=`, and tells whether it was the latter.
    fn declarations(&mut self, context: &str) -> Parsed<(SmallVec<[Variable; 2]>, bool)> {
        let mut variables = SmallVec::new();
        loop {
            let variable = self.peek_non_space();
            if variable.kind != Kind::Variable {
                return Ok((variables, false));
            }
            self.next();
            // A space must be remembered, since the text after it may start another operand.
            let after = self.peek();
            let next = self.peek_non_space();
            match next.kind {
                Kind::Assign | Kind::Declare => {
                    self.next_non_space();
                    variables.push(self.declare(variable));
                    return Ok((variables, next.kind == Kind::Assign));
                }
                Kind::Char if self.value(next) == b"," => {
                    self.next_non_space();
                    variables.push(self.declare(variable));
                    if context != "range" || variables.len() >= 2 {
                        return self.error(format!("too many declarations in {context}"));
                    }
                    if !matches!(self.peek_non_space().kind, Kind::Variable | Kind::RightDelim | Kind::RightParen) {
                        return self.error("range can only initialize variables");
                    }
                }
                _ if after.kind == Kind::Space => {
                    self.backup3(variable, after);
                    return Ok((variables, false));
                }
                _ => {
                    self.backup2(variable);
                    return Ok((variables, false));
                }
            }
        }
    }

    fn declare(&mut self, token: Token) -> Variable {
        let name = self.shared.names.name(self.shared.lexer.value(token));
        self.names.push(name.clone());
        Variable { name, slot: None }
    }

    /// Gives the variables their slots once the commands are parsed: those still see what was there before.
    fn resolve(&mut self, variables: &mut [Variable], assigns: bool) {
        for variable in variables {
            if !assigns {
                self.scope.push(variable.name.clone());
                self.slots = self.slots.max(self.scope.len() as u32);
            }
            variable.slot = self.slot(&variable.name);
        }
    }

    /// Checks the commands of a pipeline, which start there among the unfinished ones.
    fn check_pipeline(&self, start: usize, context: &str) -> Parsed<()> {
        let commands = &self.shared.unfinished.commands[start..];
        if commands.is_empty() {
            return self.error(format!("missing value for {context}"));
        }
        for (i, command) in commands.iter().enumerate().skip(1) {
            let literal = matches!(
                self.shared.source.operands(command)[0].kind,
                OperandKind::Bool(_) | OperandKind::Dot | OperandKind::Nil | OperandKind::Number(_) | OperandKind::String(_)
            );
            if literal {
                return self.error(format!("non executable command in pipeline stage {}", i + 1));
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Parsed<Command> {
        let start = self.shared.unfinished.operands.len();
        loop {
            self.peek_non_space();
            self.operand()?;
            let token = self.next();
            match token.kind {
                Kind::Space => continue,
                Kind::RightDelim | Kind::RightParen => self.backup(),
                Kind::Pipe => {}
                _ => return self.unexpected(token, "operand"),
            }
            break;
        }
        let Shared { source, unfinished, .. } = &mut *self.shared;
        let operands = finish(unfinished.operands.drain(start..), &mut source.operands);
        if operands.is_empty() { self.error("empty command") } else { Ok(Command { operands }) }
    }

    fn push(&mut self, pos: Pos, end: Pos, kind: OperandKind) {
        self.shared.unfinished.operands.push(Operand { pos, end, kind });
    }

    /// Parses an operand, if there is one.
    fn operand(&mut self) -> Parsed<()> {
        self.term()?;
        let first = self.peek();
        if first.kind != Kind::Field {
            return Ok(());
        }
        let Some(operand) = self.shared.unfinished.operands.pop() else { return Ok(()) };
        self.next();
        let path = self.fields(first);
        let kind = match operand.kind {
            OperandKind::Variable(variable) => OperandKind::Member(Box::new((variable, path))),
            OperandKind::Bool(_) | OperandKind::String(_) | OperandKind::Number(_) | OperandKind::Nil | OperandKind::Dot => {
                let printed = operand.printed(&self.shared.source);
                return self.error(format!("unexpected . after term {}", crate::quote::quote_text(&printed)));
            }
            _ => OperandKind::Chain(Box::new(operand), path),
        };
        self.push(first.start, first.end, kind);
        Ok(())
    }

    /// Parses the rest of a chain of fields.
    fn fields(&mut self, first: Token) -> Path {
        let mut end = first.end;
        while self.peek().kind == Kind::Field {
            end = self.next().end;
        }
        self.shared.names.path(self.shared.source.between(first.start, end))
    }

    fn term(&mut self) -> Parsed<()> {
        let token = self.next_non_space();
        let value = self.value(token);
        let Token { kind, start, end } = token;
        match kind {
            Kind::Identifier => match std::str::from_utf8(value).ok().and_then(|name| self.shared.functions.get(name)) {
                Some(function) => self.push(start, end, OperandKind::Function(function)),
                None => return self.error(format!("function {} not defined", quote(value))),
            },
            Kind::Dot => self.push(start, end, OperandKind::Dot),
            Kind::Nil => self.push(start, end, OperandKind::Nil),
            Kind::Variable => {
                let Some(name) = self.names.iter().rev().find(|name| ***name == *value).cloned() else {
                    return self.error(format!("undefined variable {}", quote(value)));
                };
                let slot = self.slot(&name);
                self.push(start, end, OperandKind::Variable(Variable { name, slot }));
            }
            Kind::Field => {
                // Go's chain of fields is where its second one is.
                let next = self.peek();
                let pos = if next.kind == Kind::Field { next.start } else { start };
                let path = self.fields(token);
                self.push(pos, end, OperandKind::Field(path));
            }
            Kind::Bool => self.push(start, end, OperandKind::Bool(value == b"true")),
            Kind::CharConstant | Kind::Complex | Kind::Number => match self.shared.names.number(value, kind) {
                Ok(number) => self.push(start, end, OperandKind::Number(number)),
                Err(message) => return self.error(message),
            },
            Kind::LeftParen => {
                if self.shared.nesting >= MAX_NESTING {
                    return self.error("max expression depth exceeded");
                }
                self.shared.nesting += 1;
                let pipe = grow(|| self.pipeline("parenthesized pipeline", Kind::RightParen));
                self.shared.nesting -= 1;
                let pipe = Box::new(pipe?);
                self.push(pipe.pos, end, OperandKind::Pipe(pipe));
            }
            Kind::String | Kind::RawString => {
                let text = self.unquoted(value)?;
                self.push(start, end, OperandKind::String(text));
            }
            _ => self.backup(),
        }
        Ok(())
    }

    /// Returns the slot that Go's executor will find a variable in.
    fn slot(&self, name: &Str) -> Option<u32> {
        let at = self.scope.iter().rposition(|other| other == name)?;
        u32::try_from(at).ok()
    }
}
