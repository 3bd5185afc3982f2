//! The event stream that the readers work on: the scanner and parser of libyaml, with go-yaml's error texts.

use std::io::Read;

use libyaml_safer::{EventData, Parser, ScalarStyle};

use super::Error;

/// Where something starts, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mark {
    pub line: usize,
    pub column: usize,
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// In single quotes.
    SingleQuoted,
    /// In double quotes.
    DoubleQuoted,
    /// As a `|` block.
    Literal,
    /// As a `>` block.
    Folded,
}

#[derive(Debug)]
pub(crate) struct Scalar {
    pub anchor: Option<String>,
    pub tag: Option<String>,
    pub value: String,
    pub style: Style,
    /// Plain, or tagged `!`: its meaning is looked up.
    pub implicit: bool,
}

#[derive(Debug)]
pub(crate) enum Event {
    StreamEnd,
    DocumentStart,
    DocumentEnd,
    Alias(String),
    Scalar(Scalar),
    SequenceStart(Option<String>),
    SequenceEnd,
    MappingStart(Option<String>),
    MappingEnd,
}

pub(crate) struct Events<'a> {
    parser: Parser<std::io::Chain<&'a [u8], &'static [u8]>>,
    slashes: bool,
    /// Whether a final line break was added: the scanner cannot take a block scalar that ends without one.
    completed: bool,
    text: &'a str,
}

impl<'a> Events<'a> {
    pub(crate) fn of(text: &'a str) -> Events<'a> {
        let mut parser = Parser::new();
        parser.set_encoding(libyaml_safer::Encoding::Utf8);
        let completed = !text.is_empty() && !text.ends_with('\n');
        parser.set_input(text.as_bytes().chain(if completed { &b"\n"[..] } else { &[] }));
        Events { parser, slashes: text.contains("\\/"), completed, text }
    }

    /// Returns the next event and where it starts.
    pub(crate) fn next(&mut self) -> Result<(Event, Mark), Error> {
        loop {
            let event = self.parse()?;
            let mark = Mark { line: event.start_mark.line as usize + 1, column: event.start_mark.column as usize + 1 };
            let event = match event.data {
                EventData::StreamStart { .. } => continue,
                EventData::StreamEnd => Event::StreamEnd,
                EventData::DocumentStart { version_directive, .. } => {
                    if version_directive.is_some_and(|version| version.major != 1 || version.minor != 1) {
                        return Err(Error::Syntax {
                            line: (mark.line > 1).then_some(mark.line - 1),
                            at: Some((mark.line, mark.column)),
                            message: "found incompatible YAML document".to_owned(),
                        });
                    }
                    Event::DocumentStart
                }
                EventData::DocumentEnd { .. } => Event::DocumentEnd,
                EventData::Alias { anchor } => Event::Alias(anchor),
                EventData::Scalar { anchor, tag, mut value, plain_implicit, style, .. } => {
                    let style = scalar_style(style);
                    if self.completed && matches!(style, Style::Literal | Style::Folded) && event.end_mark.index as usize >= self.text.len()
                    {
                        self.uncomplete(&mut value, event.start_mark.index as usize);
                    }
                    if self.slashes && style == Style::DoubleQuoted {
                        self.refuse_slash(event.start_mark.index as usize, event.end_mark.index as usize, mark)?;
                    }
                    Event::Scalar(Scalar { anchor, tag, value, style, implicit: plain_implicit })
                }
                EventData::SequenceStart { anchor, .. } => Event::SequenceStart(anchor),
                EventData::SequenceEnd => Event::SequenceEnd,
                EventData::MappingStart { anchor, .. } => Event::MappingStart(anchor),
                EventData::MappingEnd => Event::MappingEnd,
            };
            return Ok((event, mark));
        }
    }

    /// The scanner panics where it meets some malformed tags; such text is no YAML either way.
    fn parse(&mut self) -> Result<libyaml_safer::Event, Error> {
        let parser = std::panic::AssertUnwindSafe(&mut self.parser);
        match std::panic::catch_unwind(move || { parser }.parse()) {
            Ok(parsed) => parsed.map_err(|error| self.syntax(&error)),
            Err(_) => Err(Error::plain("unknown problem parsing YAML content")),
        }
    }

    /// Words an error as go-yaml does, as if no final line break had been added.
    fn syntax(&self, error: &libyaml_safer::Error) -> Error {
        let last = self.text.matches('\n').count();
        // The end of the stream starts a line of its own, but for what is still open inside a quoted scalar.
        let inside = self.completed && error.problem() == "found unexpected end of stream";
        let limit = |line: u64| if inside { (line as usize).min(last) } else { line as usize };
        syntax(error, limit)
    }

    /// Takes the added line break out of the last block scalar again.
    fn uncomplete(&self, value: &mut String, start: usize) {
        let blank_end = self.text.lines().next_back().is_some_and(|line| line.trim_matches(' ').is_empty());
        let header = self.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
        let keeps = header.split(' ').next().is_some_and(|header| header.contains('+'));
        if (!blank_end || keeps) && value.ends_with('\n') {
            value.pop();
        }
    }

    /// go-yaml does not know the escape `\/`, which newer libyaml accepts.
    fn refuse_slash(&self, start: usize, end: usize, mark: Mark) -> Result<(), Error> {
        let source = self.text.get(start..end).unwrap_or_default();
        let mut rest = source.bytes();
        while let Some(byte) = rest.next() {
            if byte == b'\\' && rest.next() == Some(b'/') {
                return Err(Error::Syntax {
                    line: (mark.line > 1).then_some(mark.line),
                    at: Some((mark.line, mark.column)),
                    message: "found unknown escape character".to_owned(),
                });
            }
        }
        Ok(())
    }
}

fn scalar_style(style: ScalarStyle) -> Style {
    match style {
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
        _ => Style::Plain,
    }
}

/// Words the error as go-yaml's `parser.fail` does, with its way of counting lines.
fn syntax(error: &libyaml_safer::Error, line_of: impl Fn(u64) -> usize) -> Error {
    let problem = error.problem_mark();
    let scanner = matches!(error.kind(), libyaml_safer::ErrorKind::Scanner);
    let line = match (problem, error.context_mark()) {
        (Some(mark), _) if line_of(mark.line) != 0 => Some(line_of(mark.line) + usize::from(scanner)),
        (_, Some(mark)) if mark.line != 0 => Some(mark.line as usize),
        _ => None,
    };
    Error::Syntax { line, at: problem.map(|mark| (line_of(mark.line) + 1, mark.column as usize + 1)), message: error.problem().to_owned() }
}
