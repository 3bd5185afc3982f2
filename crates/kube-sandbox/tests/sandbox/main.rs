//! The sandbox from outside: plain HTTP requests and what comes back.

#[cfg(test)]
mod behaviour;
#[cfg(test)]
mod captured;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod support;
