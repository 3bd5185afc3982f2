//! Go text/template: value model, lexer, parser, executor, fmt verbs.
