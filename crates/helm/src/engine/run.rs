//! Executes the templates of a chart: one after the other, or in two threads where that gives the same.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use go_template::both::Both;
use go_template::{Fault, Limits, Map, MapKind, MissingKey, Render, TemplateSet, Value, order};

use super::{Failure, Job, context, failure, functions, natives};
use crate::chart::Chart;

/// From so many templates on, a second thread is worth making everything twice that templates are given.
const WORTH_TWO: usize = 8;

/// Executes the templates in this order and returns what `read` makes of each one's output, with its path; partials are left out.
///
/// In Helm each template may leave something behind for the next, and most leave nothing. So the halves that `both` runs take the next
/// template whenever they are free, each with all that templates are given for itself. Where one leaves something behind after all, or
/// fails, all are executed once more, one after the other.
pub(crate) fn execute<R: Send>(
    chart: &Chart,
    job: &Job<'_>,
    set: &Arc<TemplateSet>,
    names: &[String],
    both: Both,
    read: impl Fn(&str, Vec<u8>) -> R + Sync,
) -> Result<Vec<(String, R)>, Failure> {
    let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| !context::is_partial(name)).collect();
    let run = Run { chart, job, set, names: &names, read: &read };
    let found = if names.len() < WORTH_TWO { None } else { run.in_halves(both) };
    let outputs = found.unwrap_or_else(|| run.half(0, job.limits, &Progress::of(names.len())))?;
    Ok(outputs.into_iter().map(|(at, output)| (names[at].to_owned(), output)).collect())
}

/// What is the same for both halves.
struct Run<'a, F> {
    chart: &'a Chart,
    job: &'a Job<'a>,
    set: &'a Arc<TemplateSet>,
    names: &'a [&'a str],
    read: &'a F,
}

/// Outputs, by the places of their templates.
type Outputs<R> = Vec<(usize, R)>;

impl<R: Send, F: Fn(&str, Vec<u8>) -> R + Sync> Run<'_, F> {
    /// Executes in halves; returns nothing where that may not be what Helm gives.
    fn in_halves(&self, both: Both) -> Option<Result<Outputs<R>, Failure>> {
        // Together they use no more than one may.
        let Limits { steps, output, depth, memory } = self.job.limits;
        let limits = Limits { steps: steps / 2, output: output / 2, depth, memory: memory / 2 };
        let progress = Progress::of(self.names.len());
        let (mut one, mut other) = (Ok(Vec::new()), Ok(Vec::new()));
        both(&mut || one = self.half(0, limits, &progress), &mut || other = self.half(1, limits, &progress));
        let outputs = one.and_then(|mut outputs| {
            outputs.extend(other?);
            outputs.sort_unstable_by_key(|(at, _)| *at);
            Ok(outputs)
        });
        let is_in_vain = match &outputs {
            Ok(_) => progress.is_in_vain(),
            Err(Failure::Budget(_)) => true,
            Err(Failure::Template(_)) => progress.has_two(),
        };
        (!is_in_vain).then_some(outputs)
    }

    /// Executes one template after the other as long as there are some for this half.
    fn half(&self, half: usize, limits: Limits, progress: &Progress) -> Result<Outputs<R>, Failure> {
        let (mut outputs, mut world, mut entered) = (Vec::new(), None, 0);
        while let Some(at) = progress.next(half) {
            let world = world.get_or_insert_with(|| World::new(self.chart, self.job, limits));
            // What the other half executes leaves its name behind here too.
            self.names[entered..=at].iter().for_each(|name| world.enter(name));
            entered = at + 1;
            let (output, matters) = order::watched(|| world.execute(self.set, self.names[at]));
            let output = output.map_err(|fault| {
                progress.stop();
                failure(&fault, self.job.compat)
            })?;
            if matters {
                progress.order_matters.store(true, Ordering::SeqCst);
            }
            outputs.push((at, (self.read)(self.names[at], functions::without_no_value(output))));
        }
        Ok(outputs)
    }
}

/// What the halves know of each other.
struct Progress {
    count: usize,
    next: AtomicUsize,
    has_begun: [AtomicBool; 2],
    order_matters: AtomicBool,
    is_stopped: AtomicBool,
}

impl Progress {
    fn of(count: usize) -> Progress {
        let (next, has_begun, order_matters, is_stopped) = Default::default();
        Progress { count, next, has_begun, order_matters, is_stopped }
    }

    /// Takes the next place for a half, unless it is no use to go on.
    fn next(&self, half: usize) -> Option<usize> {
        let at = self.next.fetch_add(1, Ordering::SeqCst);
        if at >= self.count || self.is_stopped.load(Ordering::SeqCst) {
            return None;
        }
        self.has_begun[half].store(true, Ordering::SeqCst);
        (!self.is_in_vain()).then_some(at)
    }

    fn stop(&self) {
        self.is_stopped.store(true, Ordering::SeqCst);
    }

    fn has_two(&self) -> bool {
        self.has_begun.iter().all(|begun| begun.load(Ordering::SeqCst))
    }

    /// Tells whether the order matters and two have executed.
    fn is_in_vain(&self) -> bool {
        self.order_matters.load(Ordering::SeqCst) && self.has_two()
    }
}

/// What templates are executed in. It does not go to another thread.
struct World {
    items: HashMap<String, Item>,
    render: Render,
    values_kind: MapKind,
}

/// What one template file is executed in.
pub(super) struct Item {
    pub context: Map,
    pub base_path: String,
}

impl World {
    fn new(chart: &Chart, job: &Job<'_>, limits: Limits) -> World {
        let items = order::given(|| context::collect(chart, job));
        let session = functions::Session::new(job.lookup.clone(), job.compat);
        let render = Render::new().missing_key(MissingKey::Zero).limits(limits);
        World { items, render: (job.prepare)(render).with_state(session), values_kind: natives::values_kind(job.compat) }
    }

    /// Gives the context of a template that template's name.
    fn enter(&self, name: &str) {
        let Some(item) = self.items.get(name) else { return };
        let template = Map::of(self.values_kind, Default::default());
        template.set("Name", Value::str(name));
        template.set("BasePath", Value::str(item.base_path.as_str()));
        item.context.set("Template", Value::Map(template));
    }

    fn execute(&mut self, set: &Arc<TemplateSet>, name: &str) -> Result<Vec<u8>, Fault> {
        let dot = self.items.get(name).map(|item| Value::Map(item.context.with_kind(self.values_kind)));
        self.render.execute(set, name, &dot.unwrap_or_default())
    }
}

/// Contexts hold those of their subcharts, and templates can put a map into itself: such cycles are broken.
impl Drop for World {
    fn drop(&mut self) {
        for item in self.items.values() {
            for (key, _) in item.context.snapshot() {
                item.context.remove(&key);
            }
        }
    }
}
