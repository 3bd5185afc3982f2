//! The sandbox from outside: plain HTTP requests and what comes back.
#![cfg(test)]

#[cfg(test)]
mod behaviour;
#[cfg(test)]
mod captured;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod support;
