//! `launchway graph`: the steps of a manifest, what each reads, and what Flux takes over, as Mermaid, DOT or SVG.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use bootstrap::Bootstrap;
use flux::Tree;
use serde_json::Value;

use crate::Surroundings;
use crate::boot;
use crate::bounded;
use crate::failure::{Failure, chain};
use crate::options::{self, GraphFormat};
use crate::repository::Repository;

/// One box.
struct Node {
    id: String,
    lines: Vec<String>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Step,
    /// Something that is read.
    Source,
    /// A Kustomization of Flux.
    Flux,
}

/// A picture before it is drawn.
#[derive(Default)]
struct Graph {
    nodes: Vec<Node>,
    /// From, to, and what the arrow says.
    edges: Vec<(String, String, &'static str)>,
}

/// Prints the graph of a manifest.
pub fn graph(options: &options::Graph, around: &Surroundings) -> Result<(), Failure> {
    let file = boot::manifest(options.file.as_deref(), &around.folder)?;
    let text = bounded::text(bounded::any(&file, bounded::TEXT)).map_err(|error| Failure::user(format!("{}: {error}", file.display())))?;
    let bootstrap = bootstrap::parse(&boot::shown(&file, &around.folder), &text).map_err(|problems| Failure::user(problems.to_string()))?;
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    let root = bootstrap.repository.as_ref().map_or_else(|| Repository::around(&folder), |path| folder.join(path));
    let repository = Repository::open(&root)?;
    let has_releases = bootstrap.steps.iter().any(|step| step.release.is_some());
    let tree = match has_releases {
        true => Some(flux::read(&repository, bootstrap.flux_path.as_deref()).map_err(|error| Failure::user(chain(&error)))?),
        false => None,
    };
    let graph = build(&bootstrap, tree.as_ref())?;
    let text = match options.format {
        GraphFormat::Mermaid => mermaid(&graph),
        GraphFormat::Dot => dot(&graph),
        GraphFormat::Svg => svg(&graph),
    };
    print!("{text}");
    Ok(())
}

fn build(bootstrap: &Bootstrap, tree: Option<&Tree>) -> Result<Graph, Failure> {
    let mut graph = Graph::default();
    for step in &bootstrap.steps {
        let id = format!("step {}", step.name);
        graph.nodes.push(Node { id: id.clone(), lines: vec![step.name.clone(), format!("module {}", step.module)], kind: Kind::Step });
        for need in &step.needs {
            graph.edges.push((format!("step {need}"), id.clone(), "then"));
        }
        let spec = match (&step.release, tree) {
            (Some(release), Some(tree)) => {
                Some(tree.release(&release.namespace, &release.name).map_err(|error| Failure::user(chain(&error)))?)
            }
            _ => None,
        };
        let folder = spec.as_ref().map_or("", |spec| &spec.folder);
        let listed = |key: &str| step.with.get(key).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        for path in ["manifests", "paths"].iter().flat_map(|key| listed(key)) {
            let path = from_root(folder, path);
            graph.reads(&id, &format!("path {path}"), vec![path]);
        }
        for release in listed("releases") {
            graph.reads(&id, &format!("release {release}"), vec![release.to_owned()]);
        }
        let (Some(release), Some(spec)) = (&step.release, spec) else { continue };
        graph.reads(&id, &format!("file {}", spec.file), vec![format!("HelmRelease {release}"), spec.file.clone()]);
        graph.reads(&id, &format!("chart {}", spec.chart), vec![spec.chart.to_string()]);
        if let Some((namespace, name)) = &spec.kustomization {
            let flux = format!("flux {namespace}/{name}");
            graph.node(&flux, vec![format!("Kustomization {namespace}/{name}"), "Flux".to_owned()], Kind::Flux);
            graph.edges.push((id, flux, "is taken over by"));
        }
    }
    Ok(graph)
}

/// Returns where a path of a step is: below the folder of its release, unless it starts at the root of the repository.
fn from_root(folder: &str, path: &str) -> String {
    let inside = match path.strip_prefix('/') {
        Some(path) => kustomize::join_path("", path),
        None => kustomize::join_path(folder, path),
    };
    inside.unwrap_or_else(|| path.to_owned())
}

impl Graph {
    fn node(&mut self, id: &str, lines: Vec<String>, kind: Kind) {
        if !self.nodes.iter().any(|node| node.id == id) {
            self.nodes.push(Node { id: id.to_owned(), lines, kind });
        }
    }

    fn reads(&mut self, step: &str, id: &str, lines: Vec<String>) {
        self.node(id, lines, Kind::Source);
        self.edges.push((id.to_owned(), step.to_owned(), "is read by"));
    }

    fn place(&self, id: &str) -> usize {
        self.nodes.iter().position(|node| node.id == id).unwrap_or_default()
    }
}

fn mermaid(graph: &Graph) -> String {
    let quoted = |text: &str| text.replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;");
    let mut out = "flowchart TD\n".to_owned();
    for (index, node) in graph.nodes.iter().enumerate() {
        let text = node.lines.iter().map(|line| quoted(line)).collect::<Vec<_>>().join("<br/>");
        let (open, close) = match node.kind {
            Kind::Step => ("[", "]"),
            Kind::Source => ("([", "])"),
            Kind::Flux => ("[[", "]]"),
        };
        let _ = writeln!(out, "  n{index}{open}\"{text}\"{close}");
    }
    for (from, to, what) in &graph.edges {
        let arrow = match *what {
            "then" => "-->".to_owned(),
            what => format!("-. {what} .->"),
        };
        let _ = writeln!(out, "  n{} {arrow} n{}", graph.place(from), graph.place(to));
    }
    out
}

fn dot(graph: &Graph) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let mut out = "digraph launchway {\n  node [fontname=\"sans-serif\"];\n".to_owned();
    for (index, node) in graph.nodes.iter().enumerate() {
        let text = node.lines.iter().map(|line| quoted(line)).collect::<Vec<_>>().join("\\n");
        let shape = match node.kind {
            Kind::Step => "box",
            Kind::Source => "note",
            Kind::Flux => "component",
        };
        let _ = writeln!(out, "  n{index} [label=\"{text}\", shape={shape}];");
    }
    for (from, to, what) in &graph.edges {
        let style = if *what == "then" { String::new() } else { format!(" [label=\"{what}\", style=dashed]") };
        let _ = writeln!(out, "  n{} -> n{}{style};", graph.place(from), graph.place(to));
    }
    out + "}\n"
}

const WIDTH: usize = 300;
const HEIGHT: usize = 56;
const GAP: usize = 44;

/// Draws rows of steps by how many steps must come before, what they read to the left, what Flux takes over to the right.
fn svg(graph: &Graph) -> String {
    let ranks = ranks(graph);
    let mut places: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut row = 0;
    for rank in 0..=ranks.values().max().copied().unwrap_or_default() {
        for node in graph.nodes.iter().filter(|node| node.kind == Kind::Step && ranks[node.id.as_str()] == rank) {
            let sources: Vec<&str> = graph
                .edges
                .iter()
                .filter(|(_, to, what)| *to == node.id && *what == "is read by")
                .map(|(from, ..)| from.as_str())
                .collect();
            let taken: Vec<&str> =
                graph.edges.iter().filter(|(from, _, what)| *from == node.id && *what != "then").map(|(_, to, _)| to.as_str()).collect();
            places.insert(&node.id, (1, row));
            for (column, ids) in [(0, &sources), (2, &taken)] {
                for (offset, id) in ids.iter().enumerate() {
                    places.entry(id).or_insert((column, row + offset));
                }
            }
            row += sources.len().max(taken.len()).max(1);
        }
    }
    let corner = |id: &str| {
        places.get(id).map(|(column, row)| (GAP + column * (WIDTH + 2 * GAP), GAP + row * (HEIGHT + GAP / 2))).unwrap_or_default()
    };
    let (width, height) = (2 * GAP + 3 * WIDTH + 4 * GAP, 2 * GAP + row * (HEIGHT + GAP / 2));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n"
    );
    out += "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#57606a\"/></marker></defs>\n";
    for (from, to, what) in &graph.edges {
        let ((x1, y1), (x2, y2)) = (corner(from), corner(to));
        let (start, end) = match *what {
            "then" => ((x1 + WIDTH / 2, y1 + HEIGHT), (x2 + WIDTH / 2, y2)),
            _ => ((x1 + WIDTH, y1 + HEIGHT / 2), (x2, y2 + HEIGHT / 2)),
        };
        let dash = if *what == "then" { "" } else { " stroke-dasharray=\"4 3\"" };
        let _ = writeln!(
            out,
            "<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"#57606a\"{dash} marker-end=\"url(#arrow)\"><title>{what}</title></line>",
            start.0, start.1, end.0, end.1
        );
    }
    for node in &graph.nodes {
        let (x, y) = corner(&node.id);
        let fill = match node.kind {
            Kind::Step => "#ddf4ff",
            Kind::Source => "#f6f8fa",
            Kind::Flux => "#dafbe1",
        };
        let _ = writeln!(
            out,
            "<g><title>{}</title><rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\" fill=\"{fill}\" stroke=\"#57606a\"/>",
            escaped(&node.lines.join("\n"))
        );
        for (index, line) in node.lines.iter().enumerate() {
            let _ = writeln!(out, "<text x=\"{}\" y=\"{}\">{}</text>", x + 10, y + 22 + index * 18, escaped(&shortened(line)));
        }
        out += "</g>\n";
    }
    out + "</svg>\n"
}

/// Returns for each step the length of the longest way to it.
fn ranks(graph: &Graph) -> BTreeMap<&str, usize> {
    let mut ranks: BTreeMap<&str, usize> = graph.nodes.iter().map(|node| (node.id.as_str(), 0)).collect();
    // The manifest has no cycles, so the longest way has fewer arrows than there are nodes.
    for _ in 0..graph.nodes.len() {
        for (from, to, _) in graph.edges.iter().filter(|(_, _, what)| *what == "then") {
            let next = ranks.get(from.as_str()).copied().unwrap_or_default() + 1;
            ranks.entry(to).and_modify(|rank| *rank = (*rank).max(next));
        }
    }
    ranks
}

fn shortened(text: &str) -> String {
    const MOST: usize = 44;
    let count = text.chars().count();
    if count <= MOST { text.to_owned() } else { format!("…{}", text.chars().skip(count - MOST + 1).collect::<String>()) }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
