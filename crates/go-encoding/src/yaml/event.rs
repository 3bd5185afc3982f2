//! The parser: tokens to events, with the grammar and error texts of go-yaml (`parserc.go` of yaml.v2 2.4.3).

use std::borrow::Cow;

use super::Error;
use super::chars::Readable;
use super::scan::{Fault, Kind, Place, Scanned, Scanner};

pub use super::scan::Style;

/// Where something starts, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mark {
    pub line: usize,
    pub column: usize,
}

#[derive(Debug)]
pub(crate) struct Scalar<'a> {
    pub anchor: Option<&'a str>,
    pub tag: Option<Cow<'a, str>>,
    pub value: Cow<'a, str>,
    pub style: Style,
    /// Plain, or tagged `!`: its meaning is looked up.
    pub implicit: bool,
    /// Whether the value was not kept, see [`Events::drop_scalars`].
    pub dropped: bool,
}

#[derive(Debug)]
pub(crate) enum Event<'a> {
    StreamEnd,
    DocumentStart,
    DocumentEnd,
    Alias(&'a str),
    Scalar(Scalar<'a>),
    SequenceStart(Option<&'a str>),
    SequenceEnd,
    MappingStart(Option<&'a str>),
    MappingEnd,
}

/// What the grammar expects next.
#[derive(Clone, Copy)]
enum State {
    /// At the start of the stream, where a document may start without `---`.
    Stream,
    Document,
    DocumentContent,
    DocumentEnd,
    BlockNode,
    BlockSequence,
    /// A sequence that is not indented against the mapping it is in.
    IndentlessSequence,
    BlockKey,
    BlockValue,
    FlowSequence(Entry),
    /// Inside `[key: value]`, a mapping of one entry.
    PairKey,
    PairValue,
    PairEnd,
    FlowKey(Entry),
    FlowValue,
    FlowEmptyValue,
    End,
}

/// Whether an entry of a flow collection is its first.
#[derive(Clone, Copy, PartialEq)]
enum Entry {
    First,
    Later,
}

/// Where a node stands.
#[derive(Clone, Copy, PartialEq)]
enum Context {
    Block,
    /// In a block mapping, where a sequence need not be indented.
    BlockOrIndentless,
    Flow,
}

/// The anchor and tag of a node.
#[derive(Default)]
struct Properties<'a> {
    anchor: Option<&'a str>,
    tag: Option<Cow<'a, str>>,
    start: Option<Place>,
}

#[derive(Clone)]
pub(crate) struct Events<'a> {
    scanner: Scanner<'a>,
    state: State,
    /// What to go on with after the collections that are open.
    states: Vec<State>,
    /// Where the open collections start.
    starts: Vec<Place>,
    tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

type Step<'a> = Scanned<(Event<'a>, Place)>;

impl<'a> Events<'a> {
    pub(crate) fn of(text: &'a str) -> Events<'a> {
        Events::of_readable(Readable::of_text(text))
    }

    /// Reads text that may end early.
    pub(crate) fn of_readable(readable: Readable<'a>) -> Events<'a> {
        Events { scanner: Scanner::of(readable), state: State::Stream, states: Vec::new(), starts: Vec::new(), tags: Vec::new() }
    }

    /// Says whether the scalars from here on need not be kept, other than plain ones. One token may have been read ahead.
    pub(crate) fn drop_scalars(&mut self, drop: bool) {
        self.scanner.drop_scalars(drop);
    }

    /// Returns the next event and where it starts.
    pub(crate) fn next(&mut self) -> Result<(Event<'a>, Mark), Error> {
        match self.step() {
            Ok((event, place)) => Ok((event, Mark { line: place.line + 1, column: place.column + 1 })),
            Err(fault) => Err(error(fault)),
        }
    }

    fn step(&mut self) -> Step<'a> {
        match self.state {
            State::Stream => self.document_start(true),
            State::Document => self.document_start(false),
            State::DocumentContent => self.document_content(),
            State::DocumentEnd => self.document_end(),
            State::BlockNode => self.node(Context::Block),
            State::BlockSequence => self.block_sequence(),
            State::IndentlessSequence => self.indentless_sequence(),
            State::BlockKey => self.block_key(),
            State::BlockValue => self.block_value(),
            State::FlowSequence(entry) => self.flow_sequence(entry),
            State::PairKey => self.pair_key(),
            State::PairValue => self.pair_value(),
            State::PairEnd => self.pair_end(),
            State::FlowKey(entry) => self.flow_key(entry),
            State::FlowValue => self.flow_value(),
            State::FlowEmptyValue => {
                self.state = State::FlowKey(Entry::Later);
                let place = self.scanner.peek()?.start;
                Ok(empty(place))
            }
            State::End => Ok((Event::StreamEnd, Place::default())),
        }
    }

    fn fault<T>(problem: &str, at: Place, context: Option<Place>) -> Scanned<T> {
        Err(Fault { problem: problem.to_owned(), at: Some(at), context, by_scanner: false })
    }

    /// Fails at the next token inside the collection that was opened last.
    fn fault_inside<T>(&mut self, problem: &str) -> Scanned<T> {
        let at = self.scanner.peek()?.start;
        Self::fault(problem, at, self.starts.last().copied())
    }

    /// Takes the next token if it is of this kind, and returns where it ends.
    fn accept(&mut self, kind: &Kind<'_>) -> Scanned<Option<Place>> {
        if self.scanner.peek()?.kind != *kind {
            return Ok(None);
        }
        Ok(Some(self.scanner.take()?.end))
    }

    fn pop_state(&mut self) {
        self.state = self.states.pop().unwrap_or(State::End);
    }

    /// Reads a node and goes on with `then`.
    fn node_then(&mut self, context: Context, then: State) -> Step<'a> {
        self.states.push(then);
        self.node(context)
    }

    fn empty_then(&mut self, place: Place, then: State) -> Step<'a> {
        self.state = then;
        Ok(empty(place))
    }

    /// Ends the collection whose end is the next token.
    fn end(&mut self, event: Event<'a>) -> Step<'a> {
        self.starts.pop();
        self.pop_state();
        let place = self.scanner.take()?.start;
        Ok((event, place))
    }

    // Documents.

    fn document_start(&mut self, implicit: bool) -> Step<'a> {
        while !implicit && self.accept(&Kind::DocumentEnd)?.is_some() {}
        let token = self.scanner.peek()?;
        let start = token.start;
        let is_explicit = matches!(token.kind, Kind::Version(..) | Kind::TagDirective { .. } | Kind::DocumentStart);
        if token.kind == Kind::StreamEnd {
            self.state = State::End;
            self.scanner.take()?;
            return Ok((Event::StreamEnd, start));
        }
        self.directives()?;
        self.states.push(State::DocumentEnd);
        if implicit && !is_explicit {
            self.state = State::BlockNode;
            return Ok((Event::DocumentStart, start));
        }
        if self.accept(&Kind::DocumentStart)?.is_none() {
            let at = self.scanner.peek()?.start;
            return Self::fault("did not find expected <document start>", at, None);
        }
        self.state = State::DocumentContent;
        Ok((Event::DocumentStart, start))
    }

    fn document_content(&mut self) -> Step<'a> {
        let token = self.scanner.peek()?;
        let is_empty =
            matches!(token.kind, Kind::Version(..) | Kind::TagDirective { .. } | Kind::DocumentStart | Kind::DocumentEnd | Kind::StreamEnd);
        if is_empty {
            let place = token.start;
            self.pop_state();
            return Ok(empty(place));
        }
        self.node(Context::Block)
    }

    fn document_end(&mut self) -> Step<'a> {
        let place = self.scanner.peek()?.start;
        self.accept(&Kind::DocumentEnd)?;
        self.tags.clear();
        self.state = State::Document;
        Ok((Event::DocumentEnd, place))
    }

    fn directives(&mut self) -> Scanned<()> {
        let mut has_version = false;
        while matches!(self.scanner.peek()?.kind, Kind::Version(..) | Kind::TagDirective { .. }) {
            let token = self.scanner.take()?;
            match token.kind {
                Kind::Version(..) if has_version => return Self::fault("found duplicate %YAML directive", token.start, None),
                Kind::Version(1, 1) => has_version = true,
                Kind::Version(..) => return Self::fault("found incompatible YAML document", token.start, None),
                Kind::TagDirective { handle, .. } if self.tags.iter().any(|(known, _)| known == handle) => {
                    return Self::fault("found duplicate %TAG directive", token.start, None);
                }
                Kind::TagDirective { handle, prefix } => self.tags.push((Cow::Borrowed(handle), prefix)),
                _ => {}
            }
        }
        for (handle, prefix) in [("!", "!"), ("!!", "tag:yaml.org,2002:")] {
            if !self.tags.iter().any(|(known, _)| known == handle) {
                self.tags.push((handle.into(), prefix.into()));
            }
        }
        Ok(())
    }

    // Nodes.

    fn node(&mut self, context: Context) -> Step<'a> {
        if let Kind::Alias(name) = self.scanner.peek()?.kind {
            self.pop_state();
            let place = self.scanner.take()?.start;
            return Ok((Event::Alias(name), place));
        }
        let Properties { anchor, tag, start } = self.properties()?;
        let token = self.scanner.peek()?;
        let at = token.start;
        let start = start.unwrap_or(at);
        let is_block = context != Context::Flow;
        match &token.kind {
            Kind::BlockEntry if context == Context::BlockOrIndentless => {
                self.state = State::IndentlessSequence;
                Ok((Event::SequenceStart(anchor), start))
            }
            Kind::Scalar { .. } => {
                self.pop_state();
                Ok((self.scalar(anchor, tag)?, start))
            }
            Kind::FlowSequenceStart => self.open(State::FlowSequence(Entry::First), Event::SequenceStart(anchor), start),
            Kind::FlowMappingStart => self.open(State::FlowKey(Entry::First), Event::MappingStart(anchor), start),
            Kind::BlockSequenceStart if is_block => self.open(State::BlockSequence, Event::SequenceStart(anchor), start),
            Kind::BlockMappingStart if is_block => self.open(State::BlockKey, Event::MappingStart(anchor), start),
            _ if anchor.is_some() || tag.is_some() => {
                self.pop_state();
                let implicit = tag.is_none();
                Ok((Event::Scalar(Scalar { anchor, tag, value: Cow::Borrowed(""), style: Style::Plain, implicit, dropped: false }), start))
            }
            _ => Self::fault("did not find expected node content", at, Some(start)),
        }
    }

    /// Takes the token that opens a collection.
    fn open(&mut self, state: State, event: Event<'a>, start: Place) -> Step<'a> {
        self.state = state;
        let token = self.scanner.take()?;
        self.starts.push(token.start);
        Ok((event, start))
    }

    fn scalar(&mut self, anchor: Option<&'a str>, tag: Option<Cow<'a, str>>) -> Scanned<Event<'a>> {
        let Kind::Scalar { value, style, dropped } = self.scanner.take()?.kind else { return Ok(Event::StreamEnd) };
        let implicit = match &tag {
            None => style == Style::Plain,
            Some(tag) => tag == "!",
        };
        Ok(Event::Scalar(Scalar { anchor, tag, value, style, implicit, dropped }))
    }

    /// Takes an anchor and a tag, in either order.
    fn properties(&mut self) -> Scanned<Properties<'a>> {
        let mut found = Properties::default();
        loop {
            match &self.scanner.peek()?.kind {
                Kind::Anchor(_) if found.anchor.is_none() => {}
                Kind::Tag { .. } if found.tag.is_none() => {}
                _ => return Ok(found),
            }
            let token = self.scanner.take()?;
            let start = *found.start.get_or_insert(token.start);
            match token.kind {
                Kind::Anchor(name) => found.anchor = Some(name),
                Kind::Tag { handle: "", suffix } => found.tag = Some(suffix),
                Kind::Tag { handle, suffix } => match self.tags.iter().find(|(known, _)| known == handle) {
                    Some((_, prefix)) => found.tag = Some(Cow::Owned(format!("{prefix}{suffix}"))),
                    None => return Self::fault("found undefined tag handle", token.start, Some(start)),
                },
                _ => {}
            }
        }
    }

    // Block collections.

    fn block_sequence(&mut self) -> Step<'a> {
        if let Some(end) = self.accept(&Kind::BlockEntry)? {
            return match self.scanner.peek()?.kind {
                Kind::BlockEntry | Kind::BlockEnd => self.empty_then(end, State::BlockSequence),
                _ => self.node_then(Context::Block, State::BlockSequence),
            };
        }
        match self.scanner.peek()?.kind {
            Kind::BlockEnd => self.end(Event::SequenceEnd),
            _ => self.fault_inside("did not find expected '-' indicator"),
        }
    }

    fn indentless_sequence(&mut self) -> Step<'a> {
        if let Some(end) = self.accept(&Kind::BlockEntry)? {
            return match self.scanner.peek()?.kind {
                Kind::BlockEntry | Kind::Key | Kind::Value | Kind::BlockEnd => self.empty_then(end, State::IndentlessSequence),
                _ => self.node_then(Context::Block, State::IndentlessSequence),
            };
        }
        self.pop_state();
        let place = self.scanner.peek()?.start;
        Ok((Event::SequenceEnd, place))
    }

    fn block_key(&mut self) -> Step<'a> {
        if let Some(end) = self.accept(&Kind::Key)? {
            return self.block_entry(end, State::BlockValue);
        }
        match self.scanner.peek()?.kind {
            Kind::BlockEnd => self.end(Event::MappingEnd),
            _ => self.fault_inside("did not find expected key"),
        }
    }

    fn block_value(&mut self) -> Step<'a> {
        if let Some(end) = self.accept(&Kind::Value)? {
            return self.block_entry(end, State::BlockKey);
        }
        let place = self.scanner.peek()?.start;
        self.empty_then(place, State::BlockKey)
    }

    /// Reads a key or value of a block mapping, which may be absent.
    fn block_entry(&mut self, end: Place, then: State) -> Step<'a> {
        match self.scanner.peek()?.kind {
            Kind::Key | Kind::Value | Kind::BlockEnd => self.empty_then(end, then),
            _ => self.node_then(Context::BlockOrIndentless, then),
        }
    }

    // Flow collections.

    fn flow_sequence(&mut self, entry: Entry) -> Step<'a> {
        self.separator(entry, &Kind::FlowSequenceEnd, "did not find expected ',' or ']'")?;
        match self.scanner.peek()?.kind {
            Kind::FlowSequenceEnd => self.end(Event::SequenceEnd),
            Kind::Key => {
                self.state = State::PairKey;
                let place = self.scanner.take()?.start;
                Ok((Event::MappingStart(None), place))
            }
            _ => self.node_then(Context::Flow, State::FlowSequence(Entry::Later)),
        }
    }

    /// Takes the comma between entries.
    fn separator(&mut self, entry: Entry, end: &Kind<'_>, problem: &str) -> Scanned<()> {
        if entry == Entry::First || self.scanner.peek()?.kind == *end || self.accept(&Kind::FlowEntry)?.is_some() {
            return Ok(());
        }
        self.fault_inside(problem)
    }

    fn pair_key(&mut self) -> Step<'a> {
        let token = self.scanner.peek()?;
        if !matches!(token.kind, Kind::Value | Kind::FlowEntry | Kind::FlowSequenceEnd) {
            return self.node_then(Context::Flow, State::PairValue);
        }
        // go-yaml takes the token here, and so loses the value or the end of the sequence.
        let end = self.scanner.take()?.end;
        self.empty_then(end, State::PairValue)
    }

    fn pair_value(&mut self) -> Step<'a> {
        if self.accept(&Kind::Value)?.is_some() && !matches!(self.scanner.peek()?.kind, Kind::FlowEntry | Kind::FlowSequenceEnd) {
            return self.node_then(Context::Flow, State::PairEnd);
        }
        let place = self.scanner.peek()?.start;
        self.empty_then(place, State::PairEnd)
    }

    fn pair_end(&mut self) -> Step<'a> {
        self.state = State::FlowSequence(Entry::Later);
        let place = self.scanner.peek()?.start;
        Ok((Event::MappingEnd, place))
    }

    fn flow_key(&mut self, entry: Entry) -> Step<'a> {
        self.separator(entry, &Kind::FlowMappingEnd, "did not find expected ',' or '}'")?;
        if self.accept(&Kind::Key)?.is_some() {
            let token = self.scanner.peek()?;
            return match token.kind {
                Kind::Value | Kind::FlowEntry | Kind::FlowMappingEnd => {
                    let place = token.start;
                    self.empty_then(place, State::FlowValue)
                }
                _ => self.node_then(Context::Flow, State::FlowValue),
            };
        }
        match self.scanner.peek()?.kind {
            Kind::FlowMappingEnd => self.end(Event::MappingEnd),
            _ => self.node_then(Context::Flow, State::FlowEmptyValue),
        }
    }

    fn flow_value(&mut self) -> Step<'a> {
        if self.accept(&Kind::Value)?.is_some() && !matches!(self.scanner.peek()?.kind, Kind::FlowEntry | Kind::FlowMappingEnd) {
            return self.node_then(Context::Flow, State::FlowKey(Entry::Later));
        }
        let place = self.scanner.peek()?.start;
        self.empty_then(place, State::FlowKey(Entry::Later))
    }
}

fn empty<'a>(place: Place) -> (Event<'a>, Place) {
    let scalar = Scalar { anchor: None, tag: None, value: Cow::Borrowed(""), style: Style::Plain, implicit: true, dropped: false };
    (Event::Scalar(scalar), place)
}

/// Words a fault as go-yaml's `parser.fail` does, with its way of counting lines.
fn error(fault: Fault) -> Error {
    let line = match (fault.at, fault.context) {
        (Some(at), _) if at.line != 0 => Some(at.line + usize::from(fault.by_scanner)),
        (_, Some(context)) if context.line != 0 => Some(context.line),
        _ => None,
    };
    Error::Syntax { line, at: fault.at.map(|at| (at.line + 1, at.column + 1)), message: fault.problem }
}
