//! What holds beside real components. One program: while one test waits for a cluster, another computes.

mod captured;
mod installs_like_helm;
mod live;
mod reads_like_flux;
mod survives;
mod takeover;
